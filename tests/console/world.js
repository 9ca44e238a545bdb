// A server on which every page has something to show.
import { Provider } from "./provider.js";
import { DEADLINE, Server } from "./server.js";

const SETTINGS = `
[[schedule]]
name = "monthly"
job = "places"
file = "all.txt"
cron = "0 6 1 * ? *"
timezone = "Europe/Berlin"
`;

export async function world() {
  let throttles = true;
  const provider = await Provider.start((path, count) => {
    if (path.startsWith("/bad")) return { status: 422, body: { message: "this address is not in the register" } };
    if (path.startsWith("/gone")) return { status: 404, body: { message: "no such place" } };
    return throttles && count % 17 === 0 ? { status: 429, headers: { "retry-after": "1" } } : {};
  });
  provider.delay = 25;
  const server = await Server.start(SETTINGS);
  const job = (limit) => provider.job(limit, '\n[failure]\ntolerated = "90%"\n');
  await server.putJob("places", job('rate = "60/s"'));
  await server.putJob("customers", job('rate = "12/s"'));
  const line = (n) => (n % 40 === 7 ? `bad${n}` : n % 90 === 11 ? `gone${n}` : `berlin${n}`);
  const file = (lines) => Array.from({ length: lines }, (_, n) => `${line(n)}\n`).join("");
  const ended = await server.run("places", "addresses.txt", file(300));
  await until(async () => (await (await server.rest("GET", `/runs/${ended}`)).json()).status === "succeeded");
  const running = await server.run("customers", "customers-2026.txt", file(4000));
  await server.run("customers", "later.txt", file(10));

  const { activityArn } = await server.call("CreateActivity", { name: "approve" });
  const { stateMachineArn } = await server.machine("invoices", {
    StartAt: "Read",
    States: {
      Read: { Type: "Pass", Next: "Approve" },
      Approve: { Type: "Task", Resource: activityArn, Next: "Approved?" },
      "Approved?": {
        Type: "Choice",
        Choices: [{ Variable: "$.choice", StringEquals: "approve", Next: "Book" }],
        Default: "Refuse",
      },
      Book: { Type: "Pass", End: true },
      Refuse: { Type: "Fail", Error: "Refused", Cause: "somebody has refused the invoice" },
    },
  });
  await server.call("PublishStateMachineVersion", { stateMachineArn, description: "the first one" });
  const approval = (n) => ({
    approval: { title: `Invoice ${n}`, text: `Pay ${n} EUR to Example Ltd?`, choices: ["approve", "ask for details"] },
  });
  for (const n of [1042, 1043]) {
    await server.call("StartExecution", { stateMachineArn, name: `invoice-${n}`, input: JSON.stringify(approval(n)) });
  }
  const { stateMachineArn: failing } = await server.machine("nightly", {
    StartAt: "Wait",
    States: { Wait: { Type: "Wait", Seconds: 1, Next: "Fail" }, Fail: { Type: "Fail", Error: "Nightly.Broken", Cause: "the export has no rows" } },
  });
  await server.call("StartExecution", { stateMachineArn: failing, name: "night-1" });
  const { stateMachineArn: mapping } = await server.machine("imports", {
    StartAt: "Each",
    States: {
      Each: {
        Type: "Map", Label: "Each", MaxConcurrency: 2, End: true,
        ItemProcessor: {
          ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
          StartAt: "Wait", States: { Wait: { Type: "Wait", Seconds: 30, End: true } },
        },
      },
    },
  });
  await server.call("StartExecution", { stateMachineArn: mapping, name: "import-1", input: JSON.stringify([...Array(40).keys()]) });
  const executionArn = mapping.replace(":stateMachine:", ":execution:") + ":import-1";
  let mapRun;
  await until(async () => {
    const { mapRuns } = await server.call("ListMapRuns", { executionArn });
    mapRun = mapRuns[0]?.mapRunArn;
    return mapRun;
  });
  await server.call("UpdateStateMachine", {
    stateMachineArn: failing,
    definition: JSON.stringify({ StartAt: "Fail", States: { Fail: { Type: "Fail", Error: "Nightly.Broken" } } }),
    publish: true,
  });
  const task = await until(async () => (await (await server.rest("GET", "/inbox")).json()).tasks[0]);
  const paths = {
    overview: "/",
    runs: "/runs",
    run: `/runs/${running}`,
    "run-ended": `/runs/${ended}`,
    jobs: "/jobs",
    job: "/jobs/places",
    machines: "/machines",
    machine: "/machines/invoices",
    versions: "/machines/invoices/versions",
    "state-test": "/machines/invoices/test",
    executions: "/executions",
    execution: "/executions/invoices/invoice-1042",
    "execution-failed": "/executions/nightly/night-1",
    "execution-map": "/executions/imports/import-1",
    "map-run": `/mapruns/${encodeURIComponent(mapRun)}`,
    inbox: "/inbox",
    task: `/inbox/${task.id}`,
    schedules: "/schedules",
    audit: "/audit",
    system: "/system",
    missing: "/none",
  };
  const stop = async () => {
    await server.stop();
    provider.stop();
  };
  return { server, provider, paths, stop, calm: () => (throttles = false) };
}

export async function until(holds) {
  const begun = Date.now();
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (Date.now() - begun > DEADLINE) throw new Error(`never seen: ${holds}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
