// Uploads a file, asks a question, follows the job, and prints the answer: node ask.mjs FILE QUESTION
// Needs Node 20 and no packages. GATEWAY_URL is the gateway, GATEWAY_TOKEN the token if it asks for one.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

const GATEWAY = process.env.GATEWAY_URL ?? "http://127.0.0.1:8000";
const SESSION = process.env.RAYLANE_SESSION ?? "node";
const AUTHORIZATION = process.env.GATEWAY_TOKEN ? { Authorization: `Bearer ${process.env.GATEWAY_TOKEN}` } : {};
// For how many times in a row a lost connection is opened again, and the pause before it.
const TRIES = 20;
const PAUSE_MS = 1000;
const FINAL = new Set(["succeeded", "failed", "cancelled"]);

async function call(method, path, options = {}) {
  const headers = { ...AUTHORIZATION, ...options.headers };
  const answer = await fetch(GATEWAY + path, { ...options, method, headers });
  if (answer.ok) return answer;
  // Errors are problem documents: `code` for programs, `detail` for people.
  const problem = await answer.json();
  throw new Error(`${problem.code}: ${problem.detail}`);
}

async function enqueue(path, method, options) {
  // The key makes it safe to send the request again: there is only one job.
  const headers = { "Idempotency-Key": crypto.randomUUID(), ...options.headers };
  return (await (await call(method, path, { ...options, headers })).json()).id;
}

/** Yields the job's events, each once, to the one that ends it. A lost connection is opened again where it was. */
async function* follow(jobId) {
  let last = "0";
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      const headers = { Accept: "text/event-stream", "Last-Event-ID": last };
      const answer = await call("GET", `/v1/jobs/${jobId}/events`, { headers });
      // The job has ended, and its last event was seen.
      if (answer.status === 204) return;
      for await (const event of events(answer.body)) {
        if (event.type === "problem") throw new Error(event.data.detail);
        last = event.id;
        tries = 0;
        yield event.data;
        if (FINAL.has(event.data.status)) return;
      }
    } catch (error) {
      // fetch says TypeError for a connection that failed or broke; anything else is an answer of the gateway.
      if (!(error instanceof TypeError)) throw error;
    }
    console.error("connection lost; continuing after", last);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`gave up; job ${jobId} continues`);
}

/** Parses a stream of server-sent events. */
async function* events(body) {
  let text = "";
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = new Map(block.split("\n").map((line) => [line.split(":", 1)[0], line.replace(/^\w*: ?/, "")]));
      // What has no data is a comment, or the pause that the server wishes.
      if (fields.has("data")) yield { id: fields.get("id"), type: fields.get("event"), data: JSON.parse(fields.get("data")) };
    }
  }
}

async function main([file, question]) {
  if (!question) throw new Error("usage: node ask.mjs FILE QUESTION");
  const name = encodeURIComponent(basename(file));
  const upload = await enqueue(`/v1/sessions/${SESSION}/files/${name}`, "PUT", { body: await readFile(file) });
  const asked = { kind: "generate", session_id: SESSION, after: [upload], request: { prompt: question, execute: true } };
  const job = await enqueue("/v1/jobs", "POST", {
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(asked),
  });
  for await (const { status, progress, line, error } of follow(job)) {
    if (status === "failed" || status === "cancelled") throw new Error(`${status}: ${error?.message}`);
    const said = progress ? `${progress.stage}: ${progress.message}` : (status ?? line);
    if (said) console.error(said);
  }
  // The answer as a table. `application/json` has all of it, `image/svg+xml` is a chart.
  const answer = await call("GET", `/v1/jobs/${job}/answer`, { headers: { Accept: "text/csv" } });
  process.stdout.write(await answer.text());
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.cause ? `${GATEWAY}: ${error.cause.message}` : error.message);
  process.exitCode = 1;
});
