// Turn the reference's printed source into JavaScript that Node 20 runs.
//
// The source comes as a listing: a heading, then numbered lines with the number
// glued to the text. listingToSource() takes the numbers off and checks that
// none is missing. stripTypes() then drops what only a type checker reads. It
// knows the constructs of TypeScript that the reference uses and refuses to
// guess about others: what it leaves behind would not parse.

export function listingToSource(listing) {
  const lines = listing.replaceAll("\r\n", "\n").split("\n");
  const first = lines.findIndex((line) => /^ *1import /.test(line));
  if (first < 0) throw new Error("not the listing: no line 1");
  const width = lines[first].indexOf("1") + 1;
  const source = [];
  for (const line of lines.slice(first)) {
    if (line === "") break;
    if (Number(line.slice(0, width)) !== source.length + 1) {
      throw new Error(`line ${source.length + 1} is missing: ${line}`);
    }
    source.push(line.slice(width));
  }
  return source.join("\n") + "\n";
}

// Tokens keep the white space and the comments before them, so that what is
// not dropped is printed as it was.
function tokenize(source) {
  const pattern = new RegExp(
    [
      /(?<space>(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*)/,
      /(?<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)?/,
      /(?<word>[A-Za-z_$][\w$]*|\d[\w.]*)?/,
      /(?<mark>=>|===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.|\.\.\.|\+=|[^\s\w])?/,
    ]
      .map((part) => part.source)
      .join(""),
    "y",
  );
  const tokens = [];
  while (pattern.lastIndex < source.length) {
    const { space, text, word, mark } = pattern.exec(source).groups;
    // One of the three at a time; go back behind the first of them.
    const value = text ?? word ?? mark;
    if (value === undefined) break;
    const length = space.length + value.length;
    const all = (text ?? "").length + (word ?? "").length + (mark ?? "").length;
    pattern.lastIndex -= space.length + all - length;
    tokens.push({ space, value, isWord: text === undefined && !!word });
  }
  return tokens;
}

const OPENING = new Map([["(", ")"], ["[", "]"], ["{", "}"], ["<", ">"]]);
const CLOSING = new Set(OPENING.values());

export function stripTypes(source) {
  const tokens = tokenize(source);
  const output = [];
  let at = 0;

  const value = (offset = 0) => tokens[at + offset]?.value;
  const keep = () => {
    output.push(tokens[at].space + tokens[at].value);
    at += 1;
  };
  const expect = (wanted) => {
    if (value() !== wanted) {
      throw new Error(`expected ${wanted}, found ${value()}`);
    }
    keep();
  };
  // Pass over a type: up to one of the marks that stands outside all brackets.
  const skipType = (ends) => {
    let depth = 0;
    while (depth > 0 || !ends.includes(value())) {
      if (at >= tokens.length) throw new Error("a type has no end");
      if (OPENING.has(value())) depth += 1;
      if (CLOSING.has(value())) depth -= 1;
      at += 1;
    }
  };
  const skipBlock = () => {
    while (value() !== "{") at += 1;
    at += 1;
    skipType(["}"]);
    at += 1;
  };
  const parameters = () => {
    expect("(");
    while (value() !== ")") {
      keep();
      if (value() === "?") at += 1;
      if (value() === ":") {
        at += 1;
        skipType([",", "=", ")"]);
      }
      if (value() === "=") expression([",", ")"]);
      if (value() === ",") keep();
    }
    expect(")");
    if (value() === ":") {
      at += 1;
      skipType(["{"]);
    }
  };
  // Keep everything up to one of the ends outside brackets, types dropped.
  const expression = (ends) => {
    while (!ends.includes(value())) {
      if (at >= tokens.length) throw new Error("an expression has no end");
      const opening = value();
      if (value() === "new" && value(2) === "<") {
        keep();
        keep();
        at += 1;
        skipType([">"]);
        at += 1;
      } else if (["const", "let"].includes(value()) && value(2) === ":") {
        keep();
        keep();
        at += 1;
        skipType(["="]);
      } else if (opening !== "<" && OPENING.has(opening)) {
        keep();
        expression([OPENING.get(opening)]);
        keep();
      } else {
        keep();
      }
    }
  };
  const body = () => {
    expect("{");
    expression(["}"]);
    expect("}");
  };
  const classBody = () => {
    expect("{");
    while (value() !== "}") {
      while (["private", "public", "readonly"].includes(value())) at += 1;
      if (value() === "async" && value(1) !== "(") keep();
      keep(); // the member's name
      if (value() === "(") {
        parameters();
        body();
        continue;
      }
      if (value() === ":") {
        at += 1;
        skipType(["=", ";"]);
      }
      expression([";"]);
      expect(";");
    }
    expect("}");
  };

  while (at < tokens.length) {
    const exported = value() === "export" ? 1 : 0;
    const word = value(exported);
    if (word === "import" && value(1) === "type") {
      skipType([";"]);
      at += 1;
    } else if (word === "type") {
      skipType([";"]);
      at += 1;
    } else if (word === "interface") {
      skipBlock();
    } else if (word === "class") {
      while (value() !== "{") keep();
      classBody();
    } else if (word === "function" || word === "async") {
      while (value() !== "(") keep();
      parameters();
      body();
    } else {
      expression([";"]);
      expect(";");
    }
  }
  return output.join("") + "\n";
}
