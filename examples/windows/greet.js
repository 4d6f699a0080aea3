// The first line that a client sends is its name.
const lines = require("node:readline").createInterface({ input: process.stdin });
lines.once("line", (name) => {
  console.log(`Hello ${name}, you come from ${process.env.REMOTE_ADDR}.`);
  lines.close();
  process.stdin.destroy();
});
