// Making what is shown like what is new without taking away what did not change: elements that stay
// keep their focus, what is selected in them, how far they are scrolled, and whether they are unfolded.

/** Elements that are kept or replaced as a whole, as something listens to them or draws in them. */
const WHOLE = "button, select, input, svg, .snippet";

/** What an element is called among its siblings. */
function nameOf(node, counts) {
  const own = node.id || node.dataset?.row || node.dataset?.key;
  if (own) return `${node.nodeName} ${own}`;
  const number = (counts.get(node.nodeName) || 0) + 1;
  counts.set(node.nodeName, number);
  return `${node.nodeName}:${number}`;
}

function named(element) {
  const counts = new Map();
  return new Map([...element.childNodes].map((node) => [nameOf(node, counts), node]));
}

/** Make the children and attributes of an element those of another, which is used up. */
function keep(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // What somebody unfolded stays so.
    if (!fresh.hasAttribute(name) && name !== "open" && name !== "tabindex") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const [before, after] = [named(old), named(fresh)];
  for (const [name, node] of before) if (!after.has(name)) node.remove();
  let place = old.firstChild;
  for (const [name, node] of after) {
    const known = before.get(name);
    if (!known) {
      old.insertBefore(node, place);
      continue;
    }
    // Only what changed its order is moved: what is moved loses the focus.
    if (known === place) place = place.nextSibling;
    else old.insertBefore(known, place);
    if (known.nodeType !== Node.ELEMENT_NODE) {
      if (known.data !== node.data) known.data = node.data;
    } else if (!known.matches(WHOLE)) keep(known, node);
    else if (!known.isEqualNode(node)) known.replaceWith(node);
  }
}
