// SPDX-License-Identifier: Apache-2.0
// The way of a statement: a lane for each engine that runs down through the stages and
// ends where its engine was dropped; the texts beside it say the same without the picture.
import { el, note, milliseconds, money } from "./dom.js";

const STAGES = ["admit", "classify", "resolve", "authorise", "placements", "freshness", "dialect", "shape", "size", "cost",
	"health", "fallback"];

// By engine: the stage that dropped it, Infinity when it could have answered.
export function fates(explain) {
	const out = new Map(explain.engines.map(engine => [engine.name, Infinity]));
	for (const item of explain.trace) {
		if (item.verdict === "dropped" && item.engine && out.get(item.engine) === Infinity)
			out.set(item.engine, STAGES.indexOf(item.stage));
	}
	return out;
}

function lane(name, kind, stage, fate, chosen, refused) {
	let state = "open";
	if (refused >= 0 && stage >= refused) state = stage === refused ? "shut" : "gone";
	else if (stage === fate) state = "shut";
	else if (stage > fate) state = "gone";
	else if (chosen) state = "chosen";
	return el("span", { class: `lane ${state}`, "data-kind": kind });
}

const badge = (name, kinds) => el("span", { class: "badge", "data-kind": kinds.get(name) ?? name }, name);

function item(entry, kinds) {
	return el("li", { class: entry.verdict },
		entry.engine ? [badge(entry.engine, kinds), " "] : null,
		el("span", { class: "verdict" }, entry.engine || entry.verdict === "refused" ? `${entry.verdict} ` : ""),
		el("code", {}, entry.code), entry.detail ? ` ${entry.detail}` : "");
}

function head(explain) {
	if (!explain.engine) return el("p", { class: "verdict-line refused" }, "No engine answers: ", el("code", {}, explain.reason),
		explain.detail ? ` ${explain.detail}` : "");
	return el("p", { class: "verdict-line" }, el("strong", {}, explain.engine), " answers: ", el("code", {}, explain.reason),
		explain.degraded ? el("span", { class: "badge warn" }, "degraded") : null);
}

function engineRow(engine, fate, kinds, chosen, refused) {
	const state = chosen ? "chosen" : fate === Infinity ? (refused ? "–" : "could") : `out at ${STAGES[fate]}`;
	return el("tr", { class: chosen ? "chosen" : "" }, el("th", { scope: "row" }, badge(engine.name, kinds)), el("td", {}, state),
		el("td", { class: "num" }, engine.lag_ms === null ? "–" : milliseconds(engine.lag_ms)),
		el("td", { class: "num" }, engine.predicted_ms ? milliseconds(engine.predicted_ms) : "–"),
		el("td", { class: "num" }, engine.predicted_cost ? money(engine.predicted_cost) : "–"));
}

export function trace(explain) {
	const fate = fates(explain), kinds = new Map(explain.engines.map(engine => [engine.name, engine.kind ?? engine.name]));
	const stop = explain.trace.find(entry => entry.verdict === "refused");
	const refused = stop ? STAGES.indexOf(stop.stage) : -1;
	const gates = el("ol", { class: "gates" });
	STAGES.forEach((stage, i) => {
		const said = explain.trace.filter(entry => entry.stage === stage);
		const reached = refused < 0 || i <= refused;
		gates.append(el("li", { class: `gate ${said.length ? "" : "silent"} ${reached ? "" : "unreached"}` },
			el("span", { class: "lanes", "aria-hidden": "true" }, explain.engines.map(engine =>
				lane(engine.name, kinds.get(engine.name), i, fate.get(engine.name), engine.name === explain.engine, refused))),
			el("div", { class: "said" }, el("span", { class: "stage" }, stage),
				said.length ? el("ul", {}, said.map(entry => item(entry, kinds))) : el("span", { class: "unseen" }, reached ? " nothing to say" : " not reached"))));
	});
	const table = el("table", { class: "weighed" }, el("caption", { class: "unseen" }, "Engines that were weighed"),
		el("thead", {}, el("tr", {}, ["Engine", "State", "Lag", "Time", "Cost"].map((name, i) => el("th", { scope: "col", class: i > 1 ? "num" : "" }, name)))),
		el("tbody", {}, explain.engines.map(engine => engineRow(engine, fate.get(engine.name), kinds, engine.name === explain.engine, refused >= 0))));
	return [head(explain), gates, explain.engines.length ? table : note("No engines."),
		explain.sql ? el("details", { class: "sent" }, el("summary", {}, `What ${explain.engine} is asked`), el("pre", { tabindex: 0 }, el("code", {}, explain.sql))) : null]
		.filter(Boolean);
}
