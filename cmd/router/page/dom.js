// SPDX-License-Identifier: Apache-2.0
// Elements without strings of HTML: what comes from a server is only ever text.

export const $ = id => document.getElementById(id);

function fill(node, attributes, children) {
	for (const [name, value] of Object.entries(attributes)) {
		if (value === null || value === undefined || value === false) continue;
		if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
		else node.setAttribute(name, value === true ? "" : value);
	}
	node.append(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
	return node;
}

export const el = (tag, attributes = {}, ...children) =>
	fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
	fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export const note = text => el("p", { class: "note" }, text);

export function plural(count, noun) {
	return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

export function milliseconds(ms) {
	if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
	if (ms < 10) return `${ms.toFixed(2)} ms`;
	if (ms < 1000) return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
	return ms < 90000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60000)} min`;
}

export function money(cost) {
	if (!cost) return "0";
	if (cost >= 0.001) return cost.toPrecision(cost >= 0.1 ? 3 : 2);
	const [digits, power] = cost.toExponential(1).split("e-");
	return `${digits}·10⁻${power.replace(/\d/g, digit => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`;
}

const TIME = /^(date|time|timestamp)/;
const NUMBER = /^(smallint|integer|bigint|int|numeric|decimal|real|double|float)/;

export const isTime = column => TIME.test(column.type ?? "");
export const isNumber = column => NUMBER.test(column.type ?? "");

export function show(value) {
	return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
