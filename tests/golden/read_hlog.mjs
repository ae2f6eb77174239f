// SPDX-License-Identifier: Apache-2.0
//
// read_hlog.mjs - reads an HdrHistogram log by a decoder that is not ours.
//
// Usage: HDR_HISTOGRAM_JS=FOLDER node read_hlog.mjs FILE. Prints for each histogram one line
// "tag start count min max" and then one "value count" line for each bucket that is not empty
// (value: the smallest of the bucket). Exit 77: hdr-histogram-js is not installed.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.env.HDR_HISTOGRAM_JS || process.cwd(), "x.js"));
let hdr;
try {
	hdr = require("hdr-histogram-js");
} catch {
	process.exit(77);
}

const reader = new hdr.HistogramLogReader(readFileSync(process.argv[2], "utf8"), 64);
for (let h = reader.nextIntervalHistogram(); h; h = reader.nextIntervalHistogram()) {
	const start = (h.startTimeStampMsec / 1000 - reader.startTimeSec).toFixed(3);
	console.log(`${h.tag} ${start} ${h.totalCount} ${h.minNonZeroValue} ${h.maxValue}`);
	const limit = h.totalCount ? h.countsArrayIndex(h.maxValue) + 1 : 0;
	for (let i = 0; i < limit; i++)
		if (h.getCountAtIndex(i))
			console.log(`${h.valueFromIndex(i)} ${h.getCountAtIndex(i)}`);
}
