// SPDX-License-Identifier: Apache-2.0
// The editor: a plain text area, its text painted behind it in colours, the place of an
// error underlined, and the statements of this tab behind Alt and the arrows.
import { el } from "./dom.js";

const WORDS = new Set(`all and any array as asc asymmetric between both by case cast check collate column conflict constraint
create cross current_date current_timestamp default delete desc distinct do drop else end escape except exists explain extract
false fetch filter first following for foreign from full group having if ilike in index inner insert intersect interval into is
isnull join key last lateral leading left like limit merge natural not nothing notnull null nulls offset on only or order outer
over overlaps partition preceding primary range recursive references returning right row rows select set share similar some
symmetric table then to trailing true truncate unbounded union unique update using values view when where window with within`
	.split(/\s+/));

// One alternative a kind; what none of them takes is painted plain.
const TOKEN = new RegExp([
	"(?<comment>--[^\\n]*)",
	"(?<string>[eE]'(?:[^'\\\\]|\\\\[^]|'')*'?|[uUbBxX]?&?'(?:[^']|'')*'?|(?<tag>\\$[A-Za-z_]*\\$)[^]*?(?:\\k<tag>|$))",
	"(?<name>\"(?:[^\"]|\"\")*\"?)",
	"(?<param>\\$\\d+)",
	"(?<number>\\d[\\d_]*(?:\\.\\d*)?(?:[eE][+-]?\\d+)?|\\.\\d+)",
	"(?<word>[A-Za-z_\\u0080-\\uffff][\\w$\\u0080-\\uffff]*)",
].join("|"), "y");

// Where a block comment that starts at `from` ends; they nest in Postgres.
function commentEnd(text, from) {
	let depth = 0;
	for (let i = from; i < text.length; i++) {
		if (text.startsWith("/*", i)) { depth++; i++; }
		else if (text.startsWith("*/", i)) { i++; if (--depth === 0) return i + 1; }
	}
	return text.length;
}

function kindOf(groups, text, end) {
	if (groups.word === undefined) return Object.keys(groups).find(kind => kind !== "tag" && groups[kind] !== undefined);
	if (WORDS.has(groups.word.toLowerCase())) return "keyword";
	return /^\s*\(/.test(text.slice(end, end + 8)) ? "call" : "plain";
}

// [{kind, from, to}], without holes.
export function tokens(text) {
	const out = [];
	const put = (kind, from, to) => {
		const last = out.at(-1);
		if (kind === "plain" && last?.kind === "plain") last.to = to;
		else out.push({ kind, from, to });
	};
	for (let at = 0; at < text.length;) {
		if (text.startsWith("/*", at)) {
			const end = commentEnd(text, at);
			put("comment", at, end);
			at = end;
			continue;
		}
		TOKEN.lastIndex = at;
		const match = TOKEN.exec(text);
		if (!match) { put("plain", at, ++at); continue; }
		const end = at + match[0].length;
		put(kindOf(match.groups, text, end), at, end);
		at = end;
	}
	return out;
}

// Which characters an error at `at` underlines: the token or word there, or the last one.
function marked(all, text, at) {
	const here = all.find(token => token.kind !== "plain" && token.from <= at && at < token.to);
	if (here) return here;
	const word = /^\w+/.exec(text.slice(at));
	if (word) return { from: at, to: at + word[0].length };
	if (at < text.length && /\S/.test(text[at])) return { from: at, to: at + 1 };
	const before = text.trimEnd().length;
	return { from: Math.max(0, before - 1), to: before };
}

export class Editor {
	#area; #paint; #error = -1; #past; #place;

	constructor(area, paint, past) {
		this.#area = area;
		this.#paint = paint;
		this.#past = past;
		this.#place = past.length;
		area.addEventListener("input", () => { this.#error = -1; this.draw(); });
		area.addEventListener("keydown", event => this.#key(event));
		this.draw();
	}

	get text() { return this.#area.value; }
	set text(value) { this.#area.value = value; this.#error = -1; this.draw(); }

	// The character of an error, -1: none.
	mark(at) { this.#error = at; this.draw(); }

	caretAt(at) { this.#area.focus(); this.#area.setSelectionRange(at, at); }

	insert(text) {
		this.#area.focus();
		this.#area.setRangeText(text, this.#area.selectionStart, this.#area.selectionEnd, "end");
		this.#error = -1;
		this.draw();
	}

	remember(text) {
		if (this.#past.at(-1) !== text) this.#past.push(text);
		if (this.#past.length > 200) this.#past.shift();
		this.#place = this.#past.length;
	}

	draw() {
		const text = this.#area.value, all = tokens(text);
		const spot = this.#error < 0 ? null : marked(all, text, this.#error);
		const parts = [];
		for (const { kind, from, to } of all) {
			const cuts = spot ? [from, spot.from, spot.to, to].filter(c => c >= from && c <= to) : [from, to];
			for (let i = 0; i + 1 < cuts.length; i++) {
				if (cuts[i] === cuts[i + 1]) continue;
				const wrong = spot && cuts[i] >= spot.from && cuts[i + 1] <= spot.to;
				parts.push(el("span", { class: wrong ? `${kind} wrong` : kind }, text.slice(cuts[i], cuts[i + 1])));
			}
		}
		this.#paint.replaceChildren(...parts, "\n");
	}

	#key(event) {
		const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
		if (!event.altKey || !step) return;
		event.preventDefault();
		const place = this.#place + step;
		if (place < 0 || place > this.#past.length) return;
		this.#place = place;
		this.text = this.#past[place] ?? "";
	}
}
