/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_json.c - results as faultline.result/1.
 *
 * Nothing missing is ever 0: it is null, with <name>_reason beside it.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/commands.h"
#include "harness/comparison.h"
#include "harness/env.h"
#include "harness/floors.h"
#include "harness/json_set.h"
#include "harness/result_noise.h"
#include "harness/result_time.h"

#define NOT_MEASURED "not measured"
#define DENSE_PAGES 16384

const char *const result_flag_names[] = {
	"timer_coarse",	      "preempted",     "throttled",    "migrated",
	"page_size_mismatch", "node_mismatch", "demoted",      "unsteady",
	"time_boxed",	      "synthetic",     "not_verified", "rate_not_reached",
	"emulated_hardware",  "as_mismatch",   NULL,
};

static json_t *flags_json(unsigned flags)
{
	json_t *list = json_array();

	for (unsigned bit = 0; result_flag_names[bit]; bit++) {
		if (flags & (1u << bit))
			json_array_append_new(list, json_string(result_flag_names[bit]));
	}
	return list;
}

static double worker_ops_per_s(const struct result_worker *w)
{
	return w->span_ns ? (double)w->ops * 1e9 / (double)w->span_ns : NAN;
}

static json_t *throughput_json(const struct result_benchmark *b, int role)
{
	double *values = calloc(b->sample_count + 1, sizeof(*values)), median;
	json_t *throughput = json_object(), *samples = json_array();

	if (!values)
		abort();
	for (size_t i = 0; i < b->sample_count; i++) {
		values[i] = role < 0 ? b->samples[i].ops_per_s : b->samples[i].role_ops_per_s[role];
		json_array_append_new(samples, env_number(values[i]));
	}
	median = result_median(values, b->sample_count);
	json_set_number(throughput, "ops_per_s", median, NOT_MEASURED);
	json_set_number(throughput, "min", b->sample_count ? values[0] : NAN, NOT_MEASURED);
	json_set_number(throughput, "max", b->sample_count ? values[b->sample_count - 1] : NAN,
			NOT_MEASURED);
	json_set(throughput, "samples", samples);
	free(values);
	return throughput;
}

static json_t *roles_json(const struct result_benchmark *b)
{
	json_t *list = json_array();

	for (int r = 0; r < WORKLOAD_MAX_ROLES && b->plan->workload->roles[r].name; r++) {
		json_t *role = json_object(), *throughput = throughput_json(b, r);

		json_set(role, "name", json_string(b->plan->workload->roles[r].name));
		json_set(role, "threads", json_count(b->plan->role_threads[r]));
		if (b->sample_count) {
			json_set(role, "ops_per_s",
				 json_incref(json_object_get(throughput, "ops_per_s")));
			json_set(role, "batch", json_count(b->batch[r]));
		} else {
			json_set_missing(role, "ops_per_s", NOT_MEASURED);
			json_set_missing(role, "batch", NOT_MEASURED);
		}
		json_set_latency(role, "latency", b->latency[r], NOT_MEASURED);
		json_array_append_new(list, role);
		json_decref(throughput);
	}
	return list;
}

/* How much is on the node of its user, by read-back; what is not known is left out. */
static json_t *locality_json(const struct result_benchmark *b)
{
	const struct translator_locality *l = &b->locality;
	const struct {
		const char *name;
		uint64_t count, local;
	} kinds[] = { { "pages", l->pages, l->pages_local },
		      { "tree_nodes", l->nodes, l->nodes_local },
		      { "tables", l->tables, l->tables_local },
		      { "histograms", b->histogram_pages, b->histogram_pages_local } };
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].count)
			json_set(all, kinds[i].name,
				 json_pack("{s:o, s:o}", "count", json_count(kinds[i].count),
					   "local", json_count(kinds[i].local)));
	}
	return all;
}

static json_t *placement_json(const struct result_benchmark *b)
{
	json_t *asked = json_object(), *got = json_object(), *cpus = json_array();
	json_t *threads = json_array(), *nodes = json_object();
	const char *reason = b->placement_reason[0] ? b->placement_reason : NOT_MEASURED;
	char name[16];

	for (unsigned i = 0; i < b->plan->threads; i++) {
		json_array_append_new(cpus, json_count(b->plan->cpus[i]));
		json_array_append_new(threads, json_pack("{s:i, s:i}", "cpu", b->workers[i].cpu,
							 "node", b->workers[i].node));
	}
	json_set(asked, "place", json_string(b->plan->options->text[OPTION_PLACE]));
	json_set(asked, "cpus", cpus);
	json_set(asked, "mem", json_string(b->plan->options->text[OPTION_MEM]));
	json_set(asked, "pages", json_string(b->plan->pages_asked));
	json_set(asked, "as", json_string(b->plan->as_asked));
	json_set(got, "as", json_string(b->plan->as));
	if (b->plan->as_reason)
		json_set(got, "as_reason", json_string(b->plan->as_reason));
	if (b->sample_count) {
		json_set(got, "threads", threads);
	} else {
		json_set_missing(got, "threads", NOT_MEASURED);
		json_decref(threads);
	}
	json_set(got, "locality", locality_json(b));
	if (!b->kernel_page_size) {
		json_set_missing(got, "pages_per_node", reason);
		json_set_missing(got, "asked_node", reason);
		json_set_missing(got, "kernel_page_size", reason);
		json_decref(nodes);
		return json_pack("{s:o, s:o}", "asked", asked, "got", got);
	}
	for (unsigned n = 0; n < RUNNER_NODES_MAX; n++) {
		if (!b->pages_per_node[n])
			continue;
		snprintf(name, sizeof(name), "%u", n);
		json_set(nodes, name, json_count(b->pages_per_node[n]));
	}
	json_set(got, "pages_per_node", nodes);
	if (b->pages_asked)
		json_set(got, "asked_node",
			 json_pack("{s:o, s:o}", "pages", json_count(b->pages_asked), "elsewhere",
				   json_count(b->pages_elsewhere)));
	else
		json_set_missing(got, "asked_node", "no node is asked of these pages");
	json_set(got, "kernel_page_size", json_count(b->kernel_page_size));
	return json_pack("{s:o, s:o}", "asked", asked, "got", got);
}

static json_t *per_cpu_json(const struct result_benchmark *b)
{
	json_t *list = json_array();

	for (unsigned i = 0; b->sample_count && i < b->plan->threads; i++) {
		const struct result_worker *w = &b->workers[i];
		json_t *cpu = json_object();

		json_set(cpu, "cpu", json_integer(w->cpu));
		json_set(cpu, "node", json_integer(w->node));
		json_set(cpu, "role", json_string(b->plan->workload->roles[w->role].name));
		json_set_number(cpu, "ops_per_s", worker_ops_per_s(w), "no operation was done");
		json_set_quantiles(cpu, w->latency, NOT_MEASURED);
		json_array_append_new(list, cpu);
	}
	return list;
}

/* How far a worker is from the nearest other: what it shares lines with at best. */
static enum topology_distance distance_of(const struct result *result,
					  const struct result_benchmark *b, unsigned worker)
{
	const struct topology_pu *pu = topology_find(result->topology, b->plan->cpus[worker]);
	enum topology_distance nearest = TOPOLOGY_DISTANCE_COUNT;

	for (unsigned i = 0; pu && i < b->plan->threads; i++) {
		const struct topology_pu *other = topology_find(result->topology, b->plan->cpus[i]);
		enum topology_distance distance;

		if (i == worker || !other)
			continue;
		distance = topology_distance(pu, other);
		nearest = distance < nearest ? distance : nearest;
	}
	return nearest == TOPOLOGY_DISTANCE_COUNT ? TOPOLOGY_SAME_PU : nearest;
}

static json_t *per_distance_json(const struct result *result, const struct result_benchmark *b)
{
	struct histogram *classes[TOPOLOGY_DISTANCE_COUNT] = { NULL };
	json_t *list = json_array();

	for (unsigned i = 0; i < b->plan->threads; i++) {
		enum topology_distance distance = distance_of(result, b, i);

		if (!b->workers[i].latency)
			continue;
		if (!classes[distance])
			classes[distance] = histogram_create(b->workers[i].latency->unit_ns);
		if (classes[distance])
			histogram_merge(classes[distance], b->workers[i].latency);
	}
	for (unsigned c = 0; c < TOPOLOGY_DISTANCE_COUNT; c++) {
		json_t *class;

		if (!classes[c])
			continue;
		class = json_object();
		json_set(class, "class", json_string(topology_distance_name(c)));
		json_set_quantiles(class, classes[c], NOT_MEASURED);
		json_array_append_new(list, class);
		histogram_destroy(classes[c]);
	}
	return list;
}

static json_t *pairs_json(const struct result *result, const struct result_benchmark *b)
{
	json_t *list = json_array();

	for (size_t i = 0; i < b->pair_count; i++) {
		const struct topology_pu *a = topology_find(result->topology, b->pairs[i].a);
		const struct topology_pu *c = topology_find(result->topology, b->pairs[i].b);
		json_t *pair = json_object();

		json_set(pair, "cpu_a", json_count(b->pairs[i].a));
		json_set(pair, "cpu_b", json_count(b->pairs[i].b));
		json_set(pair, "distance",
			 a && c ? json_string(topology_distance_name(topology_distance(a, c)))
				: json_null());
		json_set_quantiles(pair, b->pairs[i].latency, NOT_MEASURED);
		json_array_append_new(list, pair);
	}
	return list;
}

static json_t *per_node_json(const struct result_benchmark *b)
{
	json_t *list = json_array();

	for (size_t i = 0; i < b->node_count; i++) {
		json_t *cell = json_object();

		json_set(cell, "cpu", json_count(b->nodes[i].a));
		json_set(cell, "node", json_count(b->nodes[i].b));
		json_set_quantiles(cell, b->nodes[i].latency, NOT_MEASURED);
		json_array_append_new(list, cell);
	}
	return list;
}

/* Jain's index: 1 when all workers of the first role do the same, 1/n when one does it all. */
static json_t *fairness_json(const struct result_benchmark *b)
{
	double sum = 0, squares = 0, least = INFINITY, most = 0;
	json_t *fairness = json_object();
	unsigned count = 0;

	for (unsigned i = 0; i < b->plan->threads; i++) {
		double rate = worker_ops_per_s(&b->workers[i]);

		if (b->workers[i].role || !isfinite(rate))
			continue;
		sum += rate;
		squares += rate * rate;
		least = rate < least ? rate : least;
		most = rate > most ? rate : most;
		count++;
	}
	json_set_number(fairness, "jain", squares > 0 ? sum * sum / (count * squares) : NAN,
			NOT_MEASURED);
	json_set_number(fairness, "min_ops_per_s", least, NOT_MEASURED);
	json_set_number(fairness, "max_ops_per_s", count ? most : NAN, NOT_MEASURED);
	return fairness;
}

static json_t *unavailable(const char *reason)
{
	return json_pack("{s:s}", "unavailable", reason);
}

/* What a translator does not keep is not 0. */
static json_t *known(uint64_t value)
{
	return value == TRANSLATOR_UNKNOWN ? unavailable("the translator does not say")
					   : json_count(value);
}

static void set_stat(json_t *counters, const struct result_benchmark *b)
{
	const char *reason = !b->sample_count	   ? NOT_MEASURED
			     : b->plan->translator ? "the translator does not say"
						   : "a floor has no translator";

	if (!b->has_stat) {
		json_set(counters, "metadata_bytes", unavailable(reason));
		json_set(counters, "live_pages", unavailable(reason));
		return;
	}
	json_set(counters, "live_pages", known(b->stat.live_pages));
	json_set(counters, "metadata_bytes", known(b->stat.metadata_bytes));
	/* Read in the middle of a round: of few pages the fixed cost is what would be seen. */
	if (b->stat.live_pages == TRANSLATOR_UNKNOWN ||
	    b->stat.metadata_bytes == TRANSLATOR_UNKNOWN)
		json_set(counters, "metadata_bytes_per_page", known(TRANSLATOR_UNKNOWN));
	else if (b->stat.live_pages >= DENSE_PAGES)
		json_set(counters, "metadata_bytes_per_page",
			 json_real((double)b->stat.metadata_bytes / (double)b->stat.live_pages));
	else
		json_set(counters, "metadata_bytes_per_page",
			 unavailable("too few pages were live when it was read"));
	json_set(counters, "host_mappings", known(b->stat.host_mappings));
	json_set(counters, "host_unmappings", known(b->stat.host_unmappings));
	json_set(counters, "demotions", known(b->stat.demotions));
	json_set(counters, "fallbacks", known(b->stat.fallbacks));
	json_set(counters, "zeroed_pages", known(b->stat.zeroed_pages));
	json_set(counters, "references", known(b->stat.references));
}

static json_t *counters_json(const struct result *result, const struct result_benchmark *b)
{
	struct floors_ratio control = floors_scaling_vs_control(result, b);
	json_t *counters = json_object();

	set_stat(counters, b);
	if (b->sample_count) {
		json_set(counters, "rss_anon_bytes", json_integer((json_int_t)b->rss_anon));
		json_set(counters, "involuntary_switches", json_count(b->preempted));
		result_noise_counters(counters, b);
	}
	if (control.pairs)
		json_set(counters, "scaling_vs_control", json_real(control.median));
	else
		json_set(counters, "scaling_vs_control",
			 unavailable("needs floor-radix and a run with fewer threads"));
	return counters;
}

static json_t *floor_json(const struct result *result, const struct result_benchmark *b)
{
	struct floors_ratio ratio = floors_ratio(result, b);

	if (!ratio.pairs)
		return json_null();
	return json_pack("{s:s, s:s, s:f, s:f, s:f, s:I}", "workload",
			 result->benchmarks[b->plan->floor].plan->workload->name, "benchmark",
			 result->benchmarks[b->plan->floor].plan->name, "ratio", ratio.median,
			 "ratio_min", ratio.min, "ratio_max", ratio.max, "pairs",
			 (json_int_t)ratio.pairs);
}

static json_t *scaling_json(const struct result *result, const struct result_benchmark *b)
{
	struct floors_ratio ratio = floors_scaling(result, b);

	if (!ratio.pairs)
		return json_null();
	return json_pack("{s:i, s:f, s:f, s:f}", "threads_from",
			 (int)result->benchmarks[b->plan->fewest].plan->threads, "ratio",
			 ratio.median, "ratio_min", ratio.min, "ratio_max", ratio.max);
}

/* Against the same benchmark of the first translator. */
static json_t *versus_json(const struct result *result, const struct result_benchmark *b)
{
	struct comparison c = comparison_of(result, b);
	json_t *versus;

	if (!c.pairs)
		return json_null();
	versus = json_pack("{s:s, s:s, s:f, s:I}", "translator", c.first->plan->translator->text,
			   "benchmark", c.first->plan->name, "ratio", c.ratio, "pairs",
			   (json_int_t)c.pairs);
	if (c.has_interval)
		json_set(versus, "interval", json_pack("[f,f]", c.low, c.high));
	else
		json_set_missing(versus, "interval", "needs at least 3 repetitions of both");
	return versus;
}

static json_t *verify_json(const struct result_benchmark *b)
{
	json_t *verify = json_object();

	if (b->error[0] || b->verified)
		json_set(verify, "ok", json_boolean(b->verified));
	else
		json_set_missing(verify, "ok",
				 !b->sample_count      ? NOT_MEASURED
				 : b->plan->translator ? "there is nothing to verify"
						       : "a floor computes nothing");
	json_set(verify, "error", b->error[0] ? json_string(b->error) : json_null());
	return verify;
}

static json_t *benchmark_json(const struct result *result, const struct result_benchmark *b)
{
	const struct workload *w = b->plan->workload;
	uint64_t page = strcmp(b->plan->pages, "4k") == 0 ? 1 : 512;
	json_t *o = json_object(), *params = json_object();

	for (unsigned k = 0; k < 8 && w->params[k].name; k++)
		json_set(params, w->params[k].name, json_count(b->plan->params[k]));
	json_set(o, "name", json_string(b->plan->name));
	json_set(o, "workload", json_string(w->name));
	json_set(o, "translator",
		 b->plan->translator ? json_string(b->plan->translator->text) : json_null());
	json_set(o, "is_floor", json_boolean(w->is_floor));
	json_set(o, "description", json_string(w->description));
	json_set(o, "operation", json_string(w->operation));
	json_set(o, "pages_per_op", json_count((w->pages_per_op ? w->pages_per_op : 1) * page));
	json_set(o, "pages", json_string(b->plan->pages));
	json_set(o, "as", json_string(b->plan->as));
	json_set(o, "refs", json_string(b->plan->refs));
	json_set(o, "params", params);
	json_set(o, "placement", placement_json(b));
	json_set(o, "threads", json_count(b->plan->threads));
	json_set(o, "repeats", json_count(b->sample_count));
	json_set(o, "throughput", throughput_json(b, -1));
	json_set_latency(o, "latency", b->latency[0], NOT_MEASURED);
	result_time_json(o, result, b);
	json_set(o, "roles", roles_json(b));
	json_set(o, "per_cpu", per_cpu_json(b));
	json_set(o, "per_distance", per_distance_json(result, b));
	json_set(o, "pairs", pairs_json(result, b));
	json_set(o, "per_node", per_node_json(b));
	json_set(o, "fairness", fairness_json(b));
	json_set(o, "counters", counters_json(result, b));
	result_noise_json(o, b);
	json_set(o, "failure", b->failure ? json_incref(b->failure) : json_null());
	json_set(o, "verify", verify_json(b));
	json_set(o, "floor", floor_json(result, b));
	json_set(o, "scaling", scaling_json(result, b));
	json_set(o, "versus", versus_json(result, b));
	json_set(o, "flags",
		 flags_json(b->flags | (result->topology->synthetic ? RESULT_SYNTHETIC : 0) |
			    (result->emulated ? RESULT_EMULATED_HARDWARE : 0)));
	return o;
}

static json_t *run_json(const struct result *result)
{
	json_t *run = json_object(), *argv = json_array();
	const char *label = result->options->text[OPTION_LABEL];

	for (int i = 0; i < result->argc; i++)
		json_array_append_new(argv, json_string(result->argv[i]));
	json_set(run, "id", json_string(result->id));
	json_set(run, "start", json_string(result->start));
	if (result->end[0])
		json_set(run, "end", json_string(result->end));
	else
		json_set_missing(run, "end", "the run has not ended");
	json_set(run, "argv", argv);
	json_set(run, "seed", json_count(result->options->seed));
	json_set(run, "interrupted", json_boolean(result->interrupted));
	json_set(run, "synthetic", json_boolean(result->topology->synthetic));
	json_set(run, "label", json_string(label));
	json_set(run, "duration_ns", json_count(result->plan->duration_ns));
	json_set(run, "repeat", json_count(result->plan->repeat));
	json_set(run, "exit_code", json_integer(result->exit_code));
	return run;
}

static json_t *host_json(const struct result *result)
{
	const struct clock_source *clock = result->clock;
	json_t *host = json_object(), *timer = json_object();
	char text[256];

	json_set(timer, "source", json_string(clock_source_name(clock->kind)));
	json_set_number(timer, "hz", clock->hz, NOT_MEASURED);
	json_set_number(timer, "step_ns", clock->step_ns, NOT_MEASURED);
	json_set_number(timer, "pair_ns", clock->pair_ns, NOT_MEASURED);
	if (result->end[0]) {
		json_set(timer, "verified", json_boolean(result->clock_verified));
		json_set(timer, "drift_ppm", env_number(result->drift_ppm));
	} else {
		json_set_missing(timer, "verified", "the run has not ended");
	}
	json_set(host, "name", json_string(env_host_name(text, sizeof(text))));
	json_set(host, "cpu", json_string(env_cpu_model(text, sizeof(text))));
	json_set(host, "kernel", json_string(env_kernel(text, sizeof(text))));
	json_set(host, "cpus", json_count(result->topology->pu_count));
	json_set(host, "nodes", json_count(result->topology->node_count));
	json_set(host, "virtualized", json_boolean(env_virtualized()));
	json_set(host, "emulated", json_boolean(result->emulated));
	json_set(host, "timer", timer);
	json_set_number(host, "record_ns", result->record_ns < 0 ? NAN : result->record_ns,
			NOT_MEASURED);
	json_set_number(host, "fetch_add_ns", result->fetch_add_ns < 0 ? NAN : result->fetch_add_ns,
			NOT_MEASURED);
	json_set_number(host, "overhead_ns", result->overhead_ns < 0 ? NAN : result->overhead_ns,
			NOT_MEASURED);
	json_set(host, "notes", json_incref(result->notes));
	return host;
}

json_t *result_topology_json(const struct topology *t)
{
	json_t *pus = json_array();

	for (unsigned i = 0; i < t->pu_count; i++) {
		const struct topology_pu *pu = &t->pus[i];

		json_array_append_new(pus,
				      json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "os",
						(int)pu->os, "core", pu->core, "l2", pu->l2, "l3",
						pu->l3, "package", pu->package, "node", pu->node,
						"smt", pu->smt, "node_os", pu->node_os));
	}
	return json_pack("{s:o, s:b}", "pus", pus, "synthetic", t->synthetic);
}

static json_t *translators_json(const struct plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->translator_count; i++) {
		const struct translator *t = plan->translators[i].translator;
		json_t *capabilities = json_array();

		for (unsigned bit = 0; translator_capabilities[bit]; bit++) {
			if (t->capabilities & (UINT64_C(1) << bit))
				json_array_append_new(capabilities,
						      json_string(translator_capabilities[bit]));
		}
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", t->name,
						      "spec", plan->translators[i].text, "version",
						      t->version, "description", t->description,
						      "capabilities", capabilities));
	}
	return list;
}

static json_t *skipped_json(const struct result *result)
{
	json_t *list = json_array();

	for (size_t i = 0; i < result->plan->skip_count; i++) {
		const struct plan_skip *skip = &result->plan->skips[i];

		json_array_append_new(list, json_pack("{s:s?, s:s, s:s}", "translator",
						      skip->translator, "workload", skip->workload,
						      "reason", skip->reason));
	}
	return list;
}

json_t *result_json(const struct result *result)
{
	json_t *root = json_object(), *list = json_array();
	char abi[16];

	snprintf(abi, sizeof(abi), "%d.%d", TRANSLATOR_ABI_MAJOR, TRANSLATOR_ABI_MINOR);
	json_set(root, "schema", json_string("faultline.result/1"));
	json_set(root, "run", run_json(result));
	json_set(root, "tool",
		 json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", "faultline", "version",
			   FAULTLINE_VERSION, "commit", FAULTLINE_COMMIT, "compiler", __VERSION__,
			   "abi", abi, "variant", FAULTLINE_VARIANT));
	json_set(root, "host", host_json(result));
	json_set(root, "topology", result_topology_json(result->topology));
	json_set(root, "translators", translators_json(result->plan));
	json_set(root, "skipped", skipped_json(result));
	for (size_t i = 0; i < result->plan->count; i++)
		json_array_append_new(list, benchmark_json(result, &result->benchmarks[i]));
	json_set(root, "benchmarks", list);
	return root;
}

/* The line of samples.ndjson for the repetition that was merged last. */
json_t *result_sample_json(const struct result_benchmark *b, const struct runner_result *run,
			   unsigned order)
{
	const struct result_sample *sample = &b->samples[b->sample_count - 1];
	json_t *line = json_object(), *threads = json_array();
	char now[32];

	json_set(line, "benchmark", json_string(b->plan->name));
	json_set(line, "repetition", json_count(sample->repetition));
	json_set(line, "order", json_count(order));
	json_set(line, "at", json_string(env_time(now, sizeof(now))));
	json_set(line, "ops_per_s", env_number(sample->ops_per_s));
	json_set(line, "ns_per_op", env_number(sample->ns_per_op));
	for (unsigned i = 0; i < run->thread_count; i++) {
		const struct runner_thread *t = &run->threads[i];
		json_t *thread = json_object();

		json_set(thread, "cpu", json_integer(t->cpu));
		json_set(thread, "role", json_string(b->plan->workload->roles[t->role].name));
		json_set(thread, "ops", json_count(t->ops));
		json_set(thread, "busy_ns", json_count(t->busy_ns));
		json_set(thread, "batch", json_count(t->batch));
		json_set(thread, "preempted", json_count(t->preempted));
		json_set_quantiles(thread, t->latency, NOT_MEASURED);
		if (t->response) {
			json_t *response = json_object();

			json_set_quantiles(response, t->response, NOT_MEASURED);
			json_set(thread, "response", response);
		}
		json_array_append_new(threads, thread);
	}
	json_set(line, "threads", threads);
	result_time_sample(line, run);
	json_set(line, "noise", result_noise_sample_json(&sample->noise));
	json_set(line, "flags", flags_json(sample->flags));
	json_set(line, "error", b->error[0] ? json_string(b->error) : json_null());
	return line;
}
