// OpenAI's client for Node: does one of its scenarios, prints what came as JSON.
const OpenAI = require("openai");

const [url, scenario] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: process.env.CLIENT_KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "Hi" }];

const scenarios = {
  async plain() {
    const answers = [];
    for (const model of ["base", "中医"]) {
      const answer = await client.chat.completions.create({ model, messages });
      answers.push(answer.choices[0].message.content);
    }
    return answers;
  },

  async pieces() {
    const stream = await client.chat.completions.create({ model: "base", messages, stream: true });
    for await (const chunk of stream) process.stdout.write(chunk.choices[0].delta.content ?? "");
  },

  async helper() {
    const stream = client.chat.completions.stream({
      model: "中医",
      messages,
      stream_options: { include_usage: true },
    });
    const pieces = [];
    stream.on("content", (piece) => pieces.push(piece));
    const answer = await stream.finalChatCompletion();
    const { completion_tokens } = await stream.totalUsage();
    return { pieces, content: answer.choices[0].message.content, completion_tokens };
  },

  async models() {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model.id);
    return [listed, (await client.models.retrieve("中医@1")).id];
  },

  async ask() {
    return await client.chat.completions.create({ model: "base", messages });
  },

  async call() {
    const tool = { type: "function", function: { name: "weather", parameters: {} } };
    const stream = client.chat.completions.stream({ model: "中医", messages, tools: [tool] });
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    return { function: message.tool_calls[0].function, finish_reason };
  },

  async wrong_field() {
    return await client.chat.completions.create({ model: "base", messages, n: 999 });
  },

  async unknown_model() {
    return await client.chat.completions.create({ model: "nobody", messages });
  },
};

async function main() {
  try {
    return await scenarios[scenario]();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    const { status, type, param, code, message } = error;
    return { class: error.constructor.name, status, type, param, code, message };
  }
}

main().then((result) => result === undefined || process.stdout.write(JSON.stringify(result)));
