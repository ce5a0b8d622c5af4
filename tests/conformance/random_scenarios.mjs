// Random scenarios, played on the reference runtime and on ours, compared.
//
//     node random_scenarios.mjs REFERENCE PLAYER [COUNT [SEED]]
//
// REFERENCE is the reference's listing (line numbers and types are taken off
// here), PLAYER the built scenario-player. Prints each scenario on which the
// two part, and ends with 1 if there was one. A tool for developers: the
// recorded vectors are what the tests run.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

const [referencePath, playerPath, countText = "1000", seedText = "1"] = process.argv.slice(2);
if (!playerPath) {
  console.error("usage: random_scenarios.mjs REFERENCE PLAYER [COUNT [SEED]]");
  process.exit(2);
}

// ---- the reference, as JavaScript -------------------------------------------

function parameterNames(text) {
  let depth = 0;
  const parts = [""];
  for (const character of text) {
    if ("<{(".includes(character)) depth += 1;
    if (">})".includes(character)) depth -= 1;
    if (character === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts
    .map((part) => {
      const [, name, value] = part.trim().match(/^(\w+)\??(?::[\s\S]*?)?(?:\s=\s(.*))?$/) ?? [];
      return value ? `${name} = ${value}` : name;
    })
    .filter(Boolean)
    .join(", ");
}

function loadReference(path) {
  const code = readFileSync(path, "utf8")
    .split("\n")
    .map((line) => line.match(/^ {0,2}\d{1,3}(.*)$/)?.[1])
    .filter((line) => line !== undefined)
    .join("\n");
  const body = code
    .slice(code.indexOf("const FRAMEWORK_RUNNER_NAME"))
    .replace("export class", "class")
    .replace(/ {2}private readonly setIntervalImpl:[\s\S]*?;\n/, "")
    .replace(/new Map<[^>]*>/g, "new Map")
    .replace(/^ {2}private (?:readonly )?(\w+)(?:: (?:=>|[^=;\n])+?)?( = [^\n]*)?;$/gm, "  $1$2;")
    .replace(
      /^( {2}|)(?:private )?(async |function )?(\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)(?:: [^\n]+?)? \{$/gm,
      (line, indent, kind, name, parameters) =>
        /^(if|for|catch|switch)$/.test(name)
          ? line
          : `${indent}${kind ?? ""}${name}(${parameterNames(parameters)}) {`
    )
    .replace(/const (\w+): \w+ =/g, "const $1 =");
  return new Function("Date", "join", "writeFile", `${body}\nreturn ConductorTimedJobs;`);
}

const makeReference = loadReference(referencePath);

// ---- playing a scenario on it ------------------------------------------------

const drained = () => new Promise((resolve) => setImmediate(resolve));

class Ambiguous extends Error {}

class World {
  constructor(clock) {
    this.now = clock;
    this.timers = [];
    this.ambiguous = false; // two timers due at one instant
  }

  after(ms, callback, period = null) {
    const timer = { due: this.now + ms, period, callback };
    if (this.timers.some((other) => other.due === timer.due)) this.ambiguous = true;
    this.timers.push(timer);
    return timer;
  }

  clear(timer) {
    this.timers = this.timers.filter((other) => other !== timer);
  }

  sleep(ms) {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  async advance(until) {
    for (;;) {
      await drained();
      const due = this.timers.filter((timer) => timer.due <= until).sort((a, b) => a.due - b.due);
      if (this.ambiguous || (due.length > 1 && due[0].due === due[1].due)) throw new Ambiguous();
      if (!due.length) break;
      const [timer] = due;
      this.now = Math.max(this.now, timer.due);
      if (timer.period === null) this.clear(timer);
      else timer.due += timer.period;
      timer.callback();
    }
    this.now = until;
  }
}

function makeRunner(world, runs) {
  let count = 0;
  return async (context) => {
    const actions = runs[Math.min(count, runs.length - 1)] ?? [];
    count += 1;
    for (const action of actions) {
      if ("sleep_ms" in action) await world.sleep(action.sleep_ms);
      if (action.log) {
        const { stage, result, details, duration_ms: durationMs, error } = action.log;
        context.log({ stage, result, details, durationMs, error });
      }
      if (action.log_context)
        context.log({
          stage: "context",
          details: {
            seen_batch_id: context.batchId,
            seen_trigger: context.trigger,
            controller_id: context.controllerId,
            host: context.host,
            term: context.term,
            interval_ms: context.config.intervalMs,
            max_messages_per_tick: context.maxMessagesPerTick,
            max_tasks_per_tick: context.maxTasksPerTick,
            settle_delay_ms: context.settleDelayMs,
            has_artifact_store: context.artifactStore !== null,
            has_log_dir: context.logDir !== null
          }
        });
      if ("fail" in action) throw action.fail === null ? null : new Error(action.fail);
      if ("return" in action) return action.return ?? undefined;
    }
    return undefined;
  };
}

async function playReference(scenario) {
  const world = new World(scenario.clock_ms);
  const logs = {};
  let { gate } = scenario;

  class VirtualDate extends Date {
    constructor(...parameters) {
      if (parameters.length) super(...parameters);
      else super(world.now);
    }
    static now() {
      return world.now;
    }
  }

  const Reference = makeReference(VirtualDate, (left, right) => `${left}/${right}`, null);
  const engine = new Reference(
    {
      intervalMs: scenario.config.interval_ms,
      maxMessagesPerTick: scenario.config.max_messages_per_tick,
      maxTasksPerTick: scenario.config.max_tasks_per_tick,
      settleDelayMs: scenario.config.settle_delay_ms
    },
    {
      appendFileImpl: async (path, data) => {
        (logs[path.slice("log/".length)] ??= []).push(data.slice(0, -1));
      },
      autoStart: scenario.auto_start ?? true,
      clearIntervalImpl: (timer) => world.clear(timer),
      logDir: (scenario.log ?? true) ? "log" : null,
      schedule: async (work) => {
        const asked = gate;
        const { controller_id: controllerId, host, term } = scenario.context;
        if (asked.delay_ms != null) await world.sleep(asked.delay_ms);
        if (asked.state === "not_leader") return "skipped_not_leader";
        if (asked.state === "system_paused") return "skipped_system_paused";
        if (asked.state === "throw") throw new Error(asked.message ?? "");
        await work({ controllerId, host, term });
        if (asked.state === "throw_after") throw new Error(asked.message ?? "");
        return "scheduled";
      },
      setIntervalImpl: (handler, ms) => world.after(ms, handler, ms)
    }
  );

  const results = [];
  let stopping = false;
  const settle = (step, op, promise, keep) => {
    const result = { step, op };
    promise.then((value) => {
      results[step] = Object.assign(result, { at_ms: world.now }, keep?.(value));
    });
  };

  for (const [index, step] of scenario.steps.entries()) {
    switch (step.op) {
      case "register": {
        let error = null;
        try {
          engine.registerRunner({ name: step.name, run: makeRunner(world, step.runs) });
        } catch (problem) {
          error = problem.message.includes("non-empty") ? "empty_name" : "duplicate_name";
        }
        results[index] = { step: index, op: "register", at_ms: world.now, error };
        break;
      }
      case "start":
        if (stopping) throw new Ambiguous();
        settle(index, "start", engine.start());
        break;
      case "tick":
        settle(index, "tick", engine.runTick(), (tick) => ({
          batch_id: tick.batchId,
          decision: tick.decision,
          runner_count: tick.runnerCount
        }));
        break;
      case "stop":
        if (stopping) throw new Ambiguous();
        stopping = true;
        settle(index, "stop", engine.stop().then(() => void (stopping = false)));
        break;
      case "gate":
        gate = step.gate;
        break;
      default:
        await world.advance(world.now + step.ms);
    }
    await world.advance(world.now);
  }
  return {
    results: results.filter(Boolean),
    registered: engine.getRegisteredRunnerNames(),
    started: engine.isStarted(),
    logs
  };
}

// ---- making scenarios ----------------------------------------------------------

let state = BigInt(seedText);

function random(limit) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number((state >> 33n) % BigInt(limit));
}

const chance = (percent) => random(100) < percent;
const pick = (list) => list[random(list.length)];
const several = (limit, make) => Array.from({ length: random(limit + 1) }, make);

const TEXTS = [
  "", "ok", "no work", "é中🚀", "tab\tand\nnewline", 'quote" backslash\\ /', "\u0001\u001f\u007f\u0080",
  "nul\u0000inside", "\u0000", "\ud800", "x\udfffy", "\udc00\ud800", "\u2028\u2029", "\ufeff", "a".repeat(700),
  "\ud83d\ude80\ud83d", "😀".repeat(40), "null", "undefined", "[object Object]"
];
const KEYS = [
  "count", "x-y", "with space", "über", "nested", "k\u0007", "nul\u0000key", "\ud800", "🚀", "", "details",
  "details.ts", "constructor", "toJSON_", "a\"b", "long".repeat(60), "-1", "01", "1.5", "4294967295"
];
const INTEGER_KEYS = ["0", "1", "7", "10", "42", "4294967294", "4294967295", "4294967296"];
const NUMBERS = [
  0, 1, -1, 0.1, 3.5, 1e21, 1e-7, 123456789012345680000, 5e-324, 1.7976931348623157e308, 9007199254740991,
  9007199254740993, -9007199254740991, 1234567.891, 1e20, 999999999999999900000, 0.000001, 1.5e-10, 4.35, 0.3, 2 ** 53,
  2 ** 63, -(2 ** 63), 2 ** 64, 1 / 3
];
// JSON texts that JSON.stringify would not write; put in after it. (Numbers
// beyond the range of a double our reader refuses.)
const RAW_NUMBERS = ["-0", "1E3", "1.0", "0.1e-400", "12345678901234567890123", "1.10000", "-0.0e5"];
const SPACES = [" ", "\t", "\n", "\u00a0", "\u3000", "\ufeff", "\u2003", "\u2028", "\u1680", "\u202f"];
const NAMES = ["a", "b", "c", "汉字", "renewal.projector", "renewal.dispatcher", "wide 名", "é", "e\u0301", "z", "10", "2", "__proto__", "\u200b", "\u180ea", "🚀"];

const text = () => pick(TEXTS);

function value(depth) {
  switch (random(depth > 3 ? 5 : 8)) {
    case 0:
      return null;
    case 1:
      return chance(50);
    case 2:
      return text();
    case 3:
      return pick(NUMBERS);
    case 4:
      return `\u0000raw${pick(RAW_NUMBERS)}`;
    case 5:
      return several(4, () => value(depth + 1));
    default:
      return object(depth + 1);
  }
}

// Top-level keys that look like array indices would come before the base keys.
function object(depth) {
  const keys = depth === 0 ? KEYS : [...KEYS, ...INTEGER_KEYS, "ts", "stage", "__proto__"];
  return Object.fromEntries(several(5, () => [pick(keys), value(depth)]));
}

function optional(target, key, make) {
  if (chance(40)) target[key] = chance(15) ? null : make();
  return target;
}

function action() {
  switch (random(9)) {
    case 0:
    case 1:
    case 2:
      return { sleep_ms: chance(15) ? 0 : 1 + random(400) };
    case 3:
      return { log_context: true };
    case 4:
      return { fail: chance(25) ? null : text() };
    case 5:
      return { return: optional(optional({}, "result", text), "details", () => object(0)) };
    default: {
      const log = { stage: text() };
      optional(log, "result", text);
      optional(log, "details", () => object(0));
      optional(log, "duration_ms", () => pick([...NUMBERS, 12, 0.5]));
      optional(log, "error", text);
      return { log };
    }
  }
}

function randomGate() {
  const gate = { state: pick(["leader", "leader", "leader", "not_leader", "system_paused", "throw", "throw_after"]) };
  if (gate.state.startsWith("throw") && chance(90)) gate.message = text();
  if (chance(35)) gate.delay_ms = chance(15) ? 0 : 1 + random(300);
  return gate;
}

function step() {
  const kind = random(100);
  if (kind < 15) {
    const name = chance(20) ? several(3, () => pick(SPACES)).join("") : pick(SPACES).repeat(random(2)) + pick(NAMES) + pick(SPACES).repeat(random(3));
    return { op: "register", name, runs: chance(4) ? [] : [several(5, action), ...several(2, () => several(5, action))] };
  }
  if (kind < 25) return { op: "start" };
  if (kind < 50) return { op: "tick" };
  if (kind < 60) return { op: "stop" };
  if (kind < 70) return { op: "gate", gate: randomGate() };
  return { op: "advance", ms: chance(10) ? 0 : random(pick([20, 300, 2500])) };
}

const DAY_MS = 86400000;
const DAYS = [0, 1, 365, 10957, 11016, 11017, 20544, 47540, 47541, 2932896 - 1, 19358].map((day) => day * DAY_MS);

function randomScenario() {
  const scenario = {
    clock_ms: chance(50) ? pick(DAYS) + DAY_MS - 1 - random(3000) : 1775030400000 + random(1e8),
    config: {
      interval_ms: pick([1, 7, 50, 100, 250, 1000, 5000]),
      max_messages_per_tick: pick([0, 20, random(500), 9007199254740991]),
      max_tasks_per_tick: random(50),
      settle_delay_ms: random(10000)
    },
    context: {
      controller_id: chance(70) ? "c-" + random(9) : text(),
      host: chance(70) ? "mini" : text(),
      term: pick([1, 7, random(100000), 9007199254740991])
    },
    gate: randomGate(),
    steps: []
  };
  if (chance(30)) scenario.auto_start = chance(50);
  if (chance(30)) scenario.log = chance(50);
  scenario.steps = [...several(3, step), step(), ...several(14, step)];
  return scenario;
}

const withRawNumbers = (json) => json.replace(/"\\u0000raw([^"]*)"/g, "$1");

// ---- comparing ------------------------------------------------------------------

const BASE_KEYS = ["batch_id", "duration_ms", "error", "result", "runner", "stage", "ts"];

function difference(ours, reference) {
  for (const key of ["results", "registered", "started"])
    if (!isDeepStrictEqual(ours[key], reference[key]))
      return `${key}\n  ours      ${JSON.stringify(ours[key])}\n  reference ${JSON.stringify(reference[key])}`;
  const names = Object.keys(reference.logs).sort();
  if (!isDeepStrictEqual(Object.keys(ours.logs).sort(), names)) return `files ${Object.keys(ours.logs)} / ${names}`;
  for (const name of names) {
    const [left, right] = [ours.logs[name], reference.logs[name]];
    for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
      // Byte by byte: stronger than what agreement asks for.
      if (left[index] !== right[index])
        return `${name}:${index + 1}\n  ours      ${left[index]}\n  reference ${right[index]}`;
      if (!isDeepStrictEqual(Object.keys(JSON.parse(left[index])).slice(0, 7), BASE_KEYS)) return "order of keys";
    }
  }
  return null;
}

const directory = mkdtempSync(join(tmpdir(), "scenarios-"));
const counts = { agreed: 0, parted: 0, ambiguous: 0 };
const wanted = Number(countText);

while (counts.agreed + counts.parted < wanted && counts.parted < 5) {
  const json = withRawNumbers(JSON.stringify(randomScenario()));
  let reference;
  try {
    reference = await playReference(JSON.parse(json));
  } catch (error) {
    if (!(error instanceof Ambiguous)) throw error;
    counts.ambiguous += 1;
    continue;
  }
  const path = join(directory, "scenario.json");
  writeFileSync(path, json);
  const done = spawnSync(playerPath, [path], { encoding: "utf8", maxBuffer: 1 << 28 });
  const problem = done.status === 0 ? difference(JSON.parse(done.stdout), reference) : `exit ${done.status}: ${done.stderr}`;
  if (problem) {
    counts.parted += 1;
    console.log(`${json}\n${problem}\n`);
  } else {
    counts.agreed += 1;
  }
}
rmSync(directory, { recursive: true });
console.log(`${counts.agreed} agree, ${counts.parted} part, ${counts.ambiguous} were ambiguous and left out (seed ${seedText})`);
process.exit(counts.parted ? 1 : 0);
