// SPDX-License-Identifier: Apache-2.0
//
// make_hlog.mjs - writes the golden HdrHistogram logs by an encoder that is not ours.
//
// Usage: HDR_HISTOGRAM_JS=FOLDER node make_hlog.mjs DIRECTORY, where FOLDER is one in which
// `npm install hdr-histogram-js` was run; the current one if unset. Values come from a small
// generator that hlog_test.c repeats, so that the test knows what every log holds without
// trusting either implementation.
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.env.HDR_HISTOGRAM_JS || process.cwd(), "x.js"));
const hdr = require("hdr-histogram-js");

// The same numbers as golden_next() in hlog_test.c: 32-bit state, exact in doubles.
function generator(seed) {
	let state = seed >>> 0;
	return () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return state;
	};
}

function build(digits, lowest, highest) {
	return hdr.build({
		bitBucketSize: 64,
		lowestDiscernibleValue: lowest,
		highestTrackableValue: highest,
		numberOfSignificantValueDigits: digits,
		autoResize: false,
		useWebAssembly: false,
	});
}

// Spread over many powers of two: a 32-bit number shifted right by 0..31.
function spread(histogram, seed, count, scale) {
	const next = generator(seed);
	for (let i = 0; i < count; i++) {
		const value = next();
		histogram.recordValue((value >>> (next() >>> 27)) * scale);
	}
	return histogram;
}

function log(name, comment, entries) {
	let text = "";
	const writer = new hdr.HistogramLogWriter((line) => (text += line));
	writer.outputComment(comment);
	writer.outputLogFormatVersion();
	writer.outputComment("[StartTime: 1700000000.000 (seconds since epoch), fixed]");
	writer.outputLegend();
	for (const [tag, start, end, histogram] of entries) {
		histogram.tag = tag;
		writer.outputIntervalHistogram(histogram, start, end, 1e6);
	}
	writeFileSync(join(process.argv[2], name), text);
}

const MINUTE = 60e9;
const flat = build(2, 1, MINUTE);
for (let i = 0; i < 1000; i++)
	flat.recordValue(i);
const heavy = build(2, 1, MINUTE);
heavy.recordValueWithCount(17, 3e9);
heavy.recordValueWithCount(1e6, 2 ** 40);
heavy.recordValue(MINUTE);

log("ours.hlog", "2 digits, 1 ns to 60 s: the layout of faultline", [
	["flat", 0, 1, flat],
	["memmap/fault-anon/pages=4k", 1, 2.5, spread(build(2, 1, MINUTE), 1, 20000, 1)],
	["heavy", 3, 4, heavy],
	["empty", 4, 5, build(2, 1, MINUTE)],
]);
log("others.hlog", "other layouts", [
	["one", 0, 1, spread(build(1, 1, 2 ** 32), 2, 5000, 1)],
	["three", 1, 2, spread(build(3, 1, 2 ** 32), 3, 5000, 1)],
	["five", 2, 3, spread(build(5, 1, 2 ** 32), 4, 5000, 1)],
	["coarse", 3, 4, spread(build(3, 1000, 2 ** 42), 5, 5000, 1000)],
	["", 4, 5, spread(build(2, 1, 2 ** 32), 6, 100, 1)],
]);
