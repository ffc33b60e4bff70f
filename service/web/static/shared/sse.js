// Server-sent events out of the pieces in which they come.

const LINE_END = /\r\n|\n|\r/;

/** Takes pieces of text; returns the data of the events that are whole with each. */
export function createEventReader() {
  let rest = "";
  let data = [];
  return (piece) => {
    const events = [];
    rest += piece;
    // A line feed may follow a carriage return that ends this piece.
    const held = rest.endsWith("\r") ? 1 : 0;
    const lines = rest.slice(0, rest.length - held).split(LINE_END);
    rest = lines.pop() + (held ? "\r" : "");
    for (const line of lines) {
      if (line === "") {
        if (data.length) events.push(data.join("\n"));
        data = [];
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      }
    }
    return events;
  };
}
