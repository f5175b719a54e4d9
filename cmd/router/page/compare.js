// SPDX-License-Identifier: Apache-2.0
// The same statement on every engine that can: one after the other, so that none slows
// the next, and whether they say the same.
import { el, milliseconds, plural } from "./dom.js";
import { table } from "./answer.js";

const lines = rows => rows.map(row => JSON.stringify(row));

// "same", "order" (the same rows in another order) or "differs".
export function agreement(a, b) {
	const left = lines(a), right = lines(b);
	if (left.length === right.length && left.every((line, i) => line === right[i])) return "same";
	left.sort();
	right.sort();
	return left.length === right.length && left.every((line, i) => line === right[i]) ? "order" : "differs";
}

export function verdict(results) {
	const good = results.filter(result => result.answer);
	if (good.length === 0) return "No engine answered.";
	const failed = results.length > good.length ? ` ${results.length - good.length} failed.` : "";
	if (good.length === 1) return `Only ${good[0].engine} answered; there is nothing to compare it with.${failed}`;
	const judged = good.slice(1).map(other => agreement(good[0].answer.rows, other.answer.rows));
	if (judged.includes("differs")) {
		const others = good.slice(1).filter((_, i) => judged[i] === "differs").map(other => other.engine);
		return `${others.join(" and ")} and ${good[0].engine} do not say the same.${failed}`;
	}
	const how = judged.includes("order") ? ", in another order" : "";
	return `${good.length === 2 ? "Both" : `All ${good.length}`} answers agree${how}.${failed}`;
}

function one(result, slowest, kind) {
	const { engine, answer, error } = result;
	const bar = el("span", { class: "bar-fill" });
	bar.style.width = `${answer ? Math.max(1.5, 100 * answer.elapsed_ms / slowest) : 0}%`;
	return el("li", { class: "card", "data-kind": kind },
		el("h3", {}, el("span", { class: "badge", "data-kind": kind }, engine), el("span", { class: "num" }, answer ? milliseconds(answer.elapsed_ms) : "failed")),
		el("span", { class: "bar-track", "aria-hidden": "true" }, bar),
		answer
			? [el("p", { class: "note" }, plural(answer.row_count, "row")), table(answer.columns, answer.rows, `Rows of ${engine}`, 8)]
			: el("p", { class: "problem" }, `${error.code}: ${error.message}`));
}

export function compared(results, kinds) {
	const slowest = Math.max(...results.map(result => result.answer?.elapsed_ms ?? 0), 0.001);
	return [el("p", { class: "verdict-line" }, verdict(results)),
		el("ul", { class: "sides" }, results.map(result => one(result, slowest, kinds.get(result.engine) ?? result.engine)))];
}
