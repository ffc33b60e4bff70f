// OpenAI's client for Node: a fine-tuning job from its file to the answers, and two others.
const OpenAI = require("openai");
const { setTimeout: sleep } = require("node:timers/promises");

const [url, base] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: process.env.CLIENT_KEY, maxRetries: 0 });
const jobs = client.fineTuning.jobs;
const train = Array.from({ length: 12 }, (_, number) => ({
  messages: [
    { role: "user", content: `Question ${number}?` },
    { role: "assistant", content: `Answer ${number}.` },
  ],
}));
const messages = [{ role: "user", content: "Question 3?" }];
const options = { messages, max_tokens: 8, temperature: 0, ignore_eos: true };
const ended = ["succeeded", "failed", "cancelled"];
const LOOK = 100; // [milliseconds]

async function main() {
  const content = Buffer.from(train.map((each) => JSON.stringify(each)).join("\n"));
  const brought = await client.files.create({
    file: await OpenAI.toFile(content, "questions.jsonl"),
    purpose: "fine-tune",
  });
  const file = await client.files.waitForProcessing(brought.id);
  const job = await order(file.id, "clinic", 30);
  const checkpoint = await askCheckpoint(job.id);
  const done = await wait(job.id);
  const first_token = await secondsToFirstToken(done.fine_tuned_model);
  const alias = `ft:${done.model}::clinic:${done.id.replace("ftjob-", "")}`;
  return {
    file: file.status,
    job: [job.status, done.status, done.fine_tuned_model],
    checkpoint,
    first_token,
    answers: [await ask(done.fine_tuned_model), await ask(alias)],
    events: await eventsOf(job.id),
    table: await tableOf(done.result_files[0]),
    cancelled: await cancel((await order(file.id, "dropped", 50)).id),
    paused: await pauseAndResume((await order(file.id, "rested", 50)).id),
  };
}

function order(training_file, suffix, n_epochs) {
  const method = { type: "supervised", supervised: { hyperparameters: { n_epochs, batch_size: 1 } } };
  return jobs.create({ model: base, training_file, suffix, seed: 7, method });
}

async function wait(id, ...statuses) {
  for (;;) {
    const job = await jobs.retrieve(id);
    if ([...statuses, ...ended].includes(job.status)) return job;
    await sleep(LOOK);
  }
}

async function ask(model) {
  const answer = await client.chat.completions.create({ model, ...options });
  return answer.choices[0].message.content;
}

// How the job stood when its checkpoint had answered.
async function askCheckpoint(id) {
  while (!ended.includes((await jobs.retrieve(id)).status)) {
    for await (const checkpoint of jobs.checkpoints.list(id)) {
      try {
        const answer = await ask(checkpoint.fine_tuned_model_checkpoint);
        return [(await jobs.retrieve(id)).status, answer, checkpoint.step_number];
      } catch (error) {
        if (!(error instanceof OpenAI.NotFoundError)) throw error; // a newer one has its place now
      }
    }
    await sleep(LOOK);
  }
  return null;
}

async function secondsToFirstToken(model) {
  const begin = performance.now();
  const stream = await client.chat.completions.create({ model, stream: true, ...options });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) return (performance.now() - begin) / 1000;
  }
  return null;
}

// The steps and the messages, the oldest first; page by page.
async function eventsOf(id) {
  const steps = [];
  const said = [];
  for await (const event of jobs.listEvents(id, { limit: 20 })) {
    if (event.type === "metrics") steps.unshift(event.data.step);
    else said.unshift(event.message);
  }
  return [steps, said];
}

async function tableOf(id) {
  const text = await (await client.files.content(id)).text();
  const [columns, ...rows] = text.trimEnd().split("\n");
  return [columns.split(","), rows.length];
}

async function cancel(id) {
  const running = await wait(id, "running");
  return [running.status, (await jobs.cancel(id)).status, (await wait(id)).status];
}

// What it said of itself, and the steps that were done in the end.
async function pauseAndResume(id) {
  while (!(await eventsOf(id))[0].length) await sleep(LOOK);
  const seen = [await jobs.pause(id), await jobs.resume(id), await wait(id)];
  return [seen.map((job) => job.status), (await eventsOf(id))[0]];
}

main().then((result) => process.stdout.write(JSON.stringify(result)));
