// Play the reference runtime, so that it can be measured beside ours.
//
//   run.mjs emit LISTING OUT.mjs        make JavaScript of the listing
//   run.mjs WORKLOAD OUT.mjs [OPTION]...  run one workload
//
// A workload prints JSON lines in the form that our own benchmarks print:
//   {"goal":"G1","case":"10 runners","value":8500,"unit":"ticks/s","cpu_s":...}
// but `idle`, which prints "tick" at its first tick and goes on until it is
// killed: it is measured from outside, as our own programs are.
//
// Options: --dir DIR (log directory; none: no log), --seconds N, --lines N,
// --runners N, --interval MS, --case TEXT.

const RUNNERS = 10;
const LINES_PER_TICK = 2 * RUNNERS + 2;

function parseOptions(argv) {
  const options = {};
  for (let i = 0; i < argv.length; i += 2) {
    options[argv[i].replace(/^--/, "")] = argv[i + 1];
  }
  return options;
}

async function makeJobs(runtime, { dir, interval = 10000, runners = 1, auto = false, run }) {
  const { ConductorTimedJobs } = await import(new URL(runtime, `file://${process.cwd()}/`));
  const jobs = new ConductorTimedJobs(
    {
      intervalMs: Number(interval),
      maxMessagesPerTick: 20,
      maxTasksPerTick: 5,
      settleDelayMs: 10000,
    },
    {
      autoStart: auto,
      logDir: dir ?? null,
      schedule: async (work) => {
        await work({ controllerId: "bench", host: "localhost", term: 1 });
        return "scheduled";
      },
    },
  );
  for (let i = 0; i < runners; i += 1) {
    jobs.registerRunner({ name: `runner-${i}`, run: run ?? (async () => {}) });
  }
  return jobs;
}

function stopwatch() {
  const started = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  return () => {
    const used = process.cpuUsage(cpu);
    return {
      wall: Number(process.hrtime.bigint() - started) / 1e9,
      cpu: (used.user + used.system) / 1e6,
    };
  };
}

function report(goal, name, value, unit, more = {}) {
  console.log(JSON.stringify({ goal, case: name, value, unit, ...more }));
}

// G1: manual ticks, no log, for some seconds.
async function ticks(runtime, { seconds = 2, runners = RUNNERS }) {
  const jobs = await makeJobs(runtime, { runners: Number(runners) });
  await jobs.start();
  for (let i = 0; i < 50; i += 1) await jobs.runTick(); // let the JIT settle
  const watch = stopwatch();
  let count = 0;
  let took;
  do {
    for (let i = 0; i < 20; i += 1) await jobs.runTick();
    count += 20;
    took = watch();
  } while (took.wall < Number(seconds));
  report("G1", `${runners} runners`, count / took.wall, "ticks/s", {
    cpu_s: took.cpu,
    n: count,
  });
}

// G2 (and G4, on a disk): lines a second until the end of stop.
// G3: each tick waits until its lines are with the kernel.
// G5: the same as G2, judged by its memory.
async function log(goal, runtime, { dir, lines = 66000 }) {
  const jobs = await makeJobs(runtime, { dir, runners: RUNNERS });
  const count = Math.ceil(Number(lines) / LINES_PER_TICK);
  await jobs.start();
  const watch = stopwatch();
  for (let i = 0; i < count; i += 1) {
    await jobs.runTick();
    if (goal === "G3") await jobs.pendingLogWrite;
  }
  await jobs.stop();
  const took = watch();
  const total = count * LINES_PER_TICK + 2;
  const more = { cpu_s: took.cpu, n: total };
  if (goal === "G5") {
    report(goal, `${lines} lines`, process.resourceUsage().maxRSS / 1024, "MB", more);
  } else {
    report(goal, `${RUNNERS} runners`, total / took.wall, "lines/s", more);
  }
}

// G6: how true a 10 ms interval is. Each tick is noted on a monotonic clock.
async function interval(runtime, { seconds = 20, case: name = "idle" }) {
  const period = 10;
  const seen = [];
  const run = async () => {
    seen.push(process.hrtime.bigint());
  };
  const jobs = await makeJobs(runtime, { interval: period, auto: true, run });
  const started = process.hrtime.bigint();
  await jobs.start();
  await new Promise((done) => setTimeout(done, Number(seconds) * 1000 + period / 2));
  await jobs.stop();

  const wanted = Math.floor((Number(seconds) * 1000) / period);
  const gaps = seen.map((at, i) => Number(at - (i ? seen[i - 1] : started)) / 1e3);
  const errors = gaps.slice(1).map((gap) => Math.abs(gap - period * 1e3));
  errors.sort((a, b) => a - b);
  const at = (q) => errors[Math.min(errors.length - 1, Math.floor(q * errors.length))];
  const mean = Number(seen.at(-1) - seen[0]) / 1e3 / (seen.length - 1);
  report("G6", `${name}: ticks lost`, wanted - seen.length, "ticks");
  report("G6", `${name}: drift a tick`, mean - period * 1e3, "us");
  report("G6", `${name}: gap error p50`, at(0.5), "us");
  report("G6", `${name}: gap error p99`, at(0.99), "us");
}

// G8, G9, G10: a program with one job, to be watched from outside.
async function idle(runtime, { dir, interval: period = 1000 }) {
  let first = true;
  const run = async () => {
    if (first) process.stdout.write("tick\n");
    first = false;
  };
  const jobs = await makeJobs(runtime, { dir, interval: period, auto: true, run });
  await jobs.start();
}

async function emit(listing, target) {
  const { readFile, writeFile } = await import("node:fs/promises");
  const { listingToSource, stripTypes } = await import("./strip_types.mjs");
  const source = stripTypes(listingToSource(await readFile(listing, "utf8")));
  await writeFile(target, source);
  // It must parse, and tick.
  const jobs = await makeJobs(target, { runners: 2 });
  const result = await jobs.runTick();
  if (result.decision !== "scheduled" || result.runnerCount !== 2) {
    throw new Error(`the reference does not tick: ${JSON.stringify(result)}`);
  }
}

const [, , workload, first, ...rest] = process.argv;
const options = workload === "emit" ? {} : parseOptions(rest);
switch (workload) {
  case "emit":
    await emit(first, rest[0]);
    break;
  case "G1":
    await ticks(first, options);
    break;
  case "G2":
  case "G3":
  case "G4":
  case "G5":
    await log(workload, first, options);
    break;
  case "G6":
    await interval(first, options);
    break;
  case "idle":
    await idle(first, options);
    break;
  default:
    console.error("usage: run.mjs emit LISTING OUT.mjs | WORKLOAD OUT.mjs [OPTION]...");
    process.exit(2);
}
