// The words of the page, in two languages. English ones stand where they are used: in say`…`, in page.html and in
// examples.json. chinese.json has a Chinese text for each of them: whole sentences, with the same gaps {0}, {1}, …
// Code, names and numbers are in no language. Which language is shown, and what is written again, is left to page.js.

let language = "en"; // or "zh"

/** A text in the language of the page. */
const translated = (words) => (language === "zh" && CHINESE[words]) || words;
/** A text with gaps: say`${name} is not used.` What fills the gaps is not searched again. */
function say(texts, ...parts) {
  const words = texts.reduce((before, after, k) => `${before}{${k - 1}}${after}`);
  return translated(words).replace(/{(\d+)}/g, (_, k) => parts[k]);
}
/** Parts of a description, with commas. */
const listed = (parts) => parts.filter(Boolean).join(language === "zh" ? "，" : ", ");
/** Whole sentences, one behind the other. */
const sentences = (...parts) => parts.filter(Boolean).join(language === "zh" ? "" : " ");
