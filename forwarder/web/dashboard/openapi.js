// What the description of the API (OpenAPI 3) says of each route. Pure functions.

const PREFIX = '/api/v1';
// A description that leads into itself ends here.
const DEEPEST = 5;

// [{ method, path, group, summary, who, parameters: [{ name, within, about }], body, answer, stream }]
export function routes(described) {
  return Object.entries(described.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => {
    const answers = Object.entries(operation.responses).filter(([status]) => /^[12]/.test(status));
    const short = path.startsWith(PREFIX) ? path.slice(PREFIX.length) : path;
    const [, answer] = answers[0] ?? [];
    return {
      method: method.toUpperCase(),
      path: short,
      group: short.split('/')[1],
      summary: operation.summary ?? '',
      who: operation.description ?? '',
      parameters: (operation.parameters ?? []).map(({ name, in: within, description }) => ({ name, within, about: description ?? '' })),
      body: operation.requestBody?.content['application/json']?.schema ?? null,
      answer: answer?.content?.['application/json']?.schema ?? null,
      stream: answers.some(([status]) => status === '101') || Boolean(answer?.content?.['text/event-stream']),
    };
  }));
}

function resolved(described, schema) {
  return schema.$ref ? described.components.schemas[schema.$ref.split('/').at(-1)] : schema;
}

// A body to begin with: what is required, and what has a default that says something.
export function example(described, schema, depth = 0) {
  const one = resolved(described, schema);
  if ('default' in one) return one.default;
  if (one.enum) return one.enum[0];
  const [first] = one.anyOf ?? one.oneOf ?? [];
  if (first && depth < DEEPEST) return example(described, first, depth + 1);
  switch (one.type) {
    case 'object': {
      if (depth >= DEEPEST) return {};
      const required = new Set(one.required ?? []);
      return Object.fromEntries(Object.entries(one.properties ?? {})
        .filter(([name]) => required.has(name))
        .map(([name, inner]) => [name, example(described, inner, depth + 1)]));
    }
    case 'array': return [];
    case 'boolean': return false;
    case 'integer': case 'number': return one.minimum ?? 0;
    case 'null': return null;
    default: return '';
  }
}

// What an answer looks like: names, and kinds of what they hold.
export function shape(described, schema, depth = 0) {
  const one = resolved(described, schema);
  if (one.enum) return one.enum.join(' | ');
  const choices = one.anyOf ?? one.oneOf;
  if (choices) {
    const some = choices.filter(choice => choice.type !== 'null');
    if (some.length === 1) return shape(described, some[0], depth);
    return some.map(choice => resolved(described, choice).type ?? '?').join(' | ');
  }
  if (one.type === 'array') return depth < DEEPEST ? [shape(described, one.items ?? {}, depth + 1)] : ['…'];
  if (one.type === 'object' || one.properties) {
    if (depth >= DEEPEST) return '…';
    const fields = Object.entries(one.properties ?? {}).map(([name, inner]) => [name, shape(described, inner, depth + 1)]);
    const more = typeof one.additionalProperties === 'object' ? [['…', shape(described, one.additionalProperties, depth + 1)]] : [];
    return Object.fromEntries([...fields, ...more]);
  }
  return one.type ?? '?';
}
