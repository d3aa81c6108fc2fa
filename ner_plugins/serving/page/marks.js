// Entities in a text as nested elements. Offsets count code points, of which a string in JavaScript may need two units.

// Entities as a tree: the longer one is outside. One that crosses another's end is split there, and the parts before
// the last are `open`.
export function tree(length, entities) {
  const order = (a, b) => a.start - b.start || b.end - a.end;
  const root = { start: 0, end: length, children: [] };
  const waiting = entities.filter((entity) => entity.start < entity.end).sort(order);
  const path = [root];
  while (waiting.length) {
    let entity = waiting.shift();
    while (path.length > 1 && path.at(-1).end <= entity.start) path.pop();
    const around = path.at(-1);
    if (entity.end > around.end) {
      const rest = { ...entity, start: around.end };
      const place = waiting.findIndex((other) => order(rest, other) <= 0);
      waiting.splice(place < 0 ? waiting.length : place, 0, rest);
      entity = { ...entity, end: around.end, open: true };
    }
    const node = { ...entity, children: [] };
    around.children.push(node);
    path.push(node);
  }
  return root;
}

// A text with its entities marked. `colours` gives each type its number.
export function marked(text, entities, colours) {
  const characters = Array.from(text);
  const element = document.createElement("p");
  element.className = "text";
  fill(element, tree(characters.length, entities), characters, colours);
  return element;
}

function fill(element, node, characters, colours) {
  let place = node.start;
  for (const child of node.children) {
    element.append(characters.slice(place, child.start).join(""));
    const mark = document.createElement("mark");
    mark.className = `c${(colours.get(child.type) ?? 0) % 12}`;
    mark.classList.toggle("open", Boolean(child.open));
    fill(mark, child, characters, colours);
    if (!child.open) mark.append(label(child));
    element.append(mark);
    place = child.end;
  }
  element.append(characters.slice(place, node.end).join(""));
}

function label(entity) {
  const element = document.createElement("span");
  element.className = "label";
  const score = document.createElement("span");
  score.className = "score";
  score.textContent = ` ${entity.score.toFixed(2)}`;
  element.append(` ${entity.type}`, score);
  return element;
}
