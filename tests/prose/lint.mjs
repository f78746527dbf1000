// Reads the pages that it is given and prints what is wrong with their text, one finding a line: page:line:column: what to do.
// tests/prose/run copies it to target/prose, where its packages are.
import { readFileSync } from "node:fs";
import kernel from "@textlint/kernel";
import markdown from "@textlint/textlint-plugin-markdown";
import terminology from "textlint-rule-terminology";
import writeGood from "write-good";

const WORDS = 35;
const WORD = /\S*[\p{L}\p{N}_]\S*/gu;
const END = /[.!?]+["'’”)\]]*(?=\s|$)/g;
const TWICE = /(?<![\p{L}\p{N}'’-])(\p{L}[\p{L}\p{N}'’]*)\s+\1(?![\p{L}\p{N}'’-])/giu;
const NOTE = /\b(TODO|FIXME|TBD|XXX)\b/g;

// Of write-good, what is quiet in technical text. Off: passive voice (600 findings in the old pages, most of them good English), adverbs ("only"),
// "there is" and "so". Its lists have words that mean something exact here; these are left alone.
const checks = { weasel: true, tooWordy: true, cliches: true, illusion: false, passive: false, adverb: false, thereIs: false, so: false };
const exact = new Set(
  `it is, it was, all of, aggregate, allocate, authorize, is authorized to, is responsible for, equivalent, evaluate, expiration, however,
  implement, in between, indicate, maximum, minimum, modify, monitor, multiple, previously, provided that, purchase, requirement, retain,
  satisfy, similar to, terminate, therefore, type of, utilize, validate, whether or not, few, many, several, completely`.split(/,\s+/),
);
const advice = [
  [/is wordy or unneeded/, "is wordy: say it in fewer or plainer words"],
  [/is a weasel word/, "says how much without a figure: leave it out, or give the figure"],
  [/is a cliche/, "is a cliché: say what is meant"],
];

// A block's text with everything that is not prose blanked out, so that a place in it is a place in the source. Code and images are words of
// underscores.
const prose = (node, source) => {
  const text = [...source.replace(/[^\s]/g, " ").split("")];
  const keep = (part) => {
    const [from, to] = part.range.map((at) => at - node.range[0]);
    for (let at = from; at < to; at++) {
      if (part.type === "Str") text[at] = source[at];
      if (part.type === "Code" || part.type === "Image") text[at] = "_";
    }
    (part.children ?? []).forEach(keep);
  };
  keep(node);
  return text.join("");
};

// Paragraphs, headings, and the cells of tables, which the rules of the registry do not read. Quotations stay as they were written.
const style = ({ getSource, report, RuleError, Syntax, locator }) => {
  const block = (node) => {
    for (let up = node; up; up = up.parent) if (up.type === Syntax.BlockQuote) return;
    const text = prose(node, getSource(node));
    const find = (at, message) => report(node, new RuleError(message, { padding: locator.at(at) }));

    let from = 0;
    for (const to of [...[...text.matchAll(END)].map((end) => end.index + end[0].length), text.length]) {
      const words = [...text.slice(from, to).matchAll(WORD)];
      if (words.length > WORDS) find(from + words[0].index, `a sentence of ${words.length} words, at most ${WORDS}: make two of it`);
      from = to;
    }
    for (const twice of text.matchAll(TWICE)) find(twice.index, `“${twice[0]}”: take one out`);
    for (const { index, offset, reason } of writeGood(text, checks)) {
      if (exact.has(text.substr(index, offset).toLowerCase().replace(/\s+/g, " "))) continue;
      if (/\b(this|that|the)\s+very$/i.test(text.slice(0, index + offset))) continue;
      find(index, advice.reduce((message, [what, plain]) => message.replace(what, plain), reason));
    }
  };
  const notes = (node) => {
    for (const note of getSource(node).matchAll(NOTE))
      report(node, new RuleError(`${note[0]}: do it, or open an issue, and take the note out`, { padding: locator.at(note.index) }));
  };
  return { Paragraph: block, Header: block, TableCell: block, Str: notes, Html: notes };
};

const options = {
  ext: ".md",
  plugins: [{ pluginId: "markdown", plugin: markdown.default }],
  rules: [
    { ruleId: "style", rule: style },
    {
      ruleId: "terms",
      rule: terminology,
      options: { defaultTerms: false, terms: JSON.parse(readFileSync(new URL("terms.json", import.meta.url), "utf8")) },
    },
  ],
};
const lint = new kernel.TextlintKernel();
for (const page of process.argv.slice(2)) {
  const { messages } = await lint.lintText(readFileSync(page, "utf8"), { ...options, filePath: page });
  for (const { line, column, message } of messages) console.log(`${page}:${line}:${column}: ${message.replace(/\s+/g, " ")}`);
}
