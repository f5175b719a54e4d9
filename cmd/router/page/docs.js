// SPDX-License-Identifier: Apache-2.0
// /openapi.json as a page.
import { $, el, note } from "./dom.js";

function follow(spec, schema) {
	if (!schema?.$ref) return schema ?? {};
	return schema.$ref.slice(2).split("/").reduce((at, part) => at?.[part], spec) ?? {};
}

function typeOf(spec, schema) {
	const real = follow(spec, schema);
	if (real.enum) return real.enum.join(" | ");
	if (real.type === "array") return `${typeOf(spec, real.items)}[]`;
	return [real.type ?? "any"].flat().join(" | ");
}

function fields(spec, schema, title) {
	const real = follow(spec, schema);
	if (!real.properties) return null;
	const must = new Set(real.required ?? []);
	return el("table", { class: "rows" }, el("caption", { class: "note" }, title),
		el("thead", {}, el("tr", {}, ["Field", "Type", "What"].map(name => el("th", { scope: "col" }, name)))),
		el("tbody", {}, Object.entries(real.properties).map(([name, property]) => el("tr", {}, el("td", {}, name, must.has(name) ? " *" : ""),
			el("td", {}, typeOf(spec, property)), el("td", {}, follow(spec, property).description ?? "")))));
}

function operation(spec, path, method, what) {
	const body = what.requestBody?.content?.["application/json"]?.schema;
	const answers = Object.entries(what.responses ?? {});
	const good = answers.find(([code]) => code.startsWith("2"))?.[1]?.content?.["application/json"]?.schema;
	return el("section", { class: "card", "aria-label": `${method} ${path}` },
		el("h3", {}, el("code", {}, `${method.toUpperCase()} ${path}`)), el("p", {}, what.summary ?? what.description ?? ""),
		(what.parameters ?? []).map(parameter => note(`${parameter.name} (${parameter.in}): ${parameter.description ?? typeOf(spec, parameter.schema)}`)),
		body ? fields(spec, body, "Request") : null, good ? fields(spec, good, "Answer") : null,
		note(answers.map(([code, answer]) => `${code} ${answer.description ?? ""}`.trim()).join(" · ")));
}

try {
	const response = await fetch("/openapi.json");
	if (!response.ok) throw new Error(`HTTP ${response.status}`);
	const spec = await response.json();
	$("title").textContent = `${spec.info.title} ${spec.info.version}`;
	$("about").textContent = spec.info.description ?? "";
	$("paths").replaceChildren(...Object.entries(spec.paths).flatMap(([path, methods]) =>
		Object.entries(methods).filter(([method]) => /^(get|post|put|delete|patch)$/.test(method)).map(([method, what]) => operation(spec, path, method, what))));
} catch (error) {
	$("about").textContent = `/openapi.json cannot be read: ${error.message}`;
}
