// Search on a page that was opened from a disk: browsers start no Worker there, so its script runs in a hidden frame.
// The name of this file is what keeps Zensical's offline plugin from fetching such a thing from elsewhere.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.document.open();
      inside.postMessage = (data) =>
        setTimeout(() => {
          const event = new MessageEvent("message", { data: structuredClone(data) });
          this.dispatchEvent(event);
          this.onmessage?.(event);
        });
      this.loaded = new Promise((resolve) => (inside.loaded = resolve));
      const script = new URL(url, document.baseURI).href.replaceAll('"', "%22");
      inside.document.write(`<script src="${script}" onload="loaded()"></` + "script>");
      inside.document.close();
    }

    postMessage(data) {
      const inside = this.frame.contentWindow;
      const copy = structuredClone(data);
      this.loaded.then(() => inside.dispatchEvent(new inside.MessageEvent("message", { data: copy })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
