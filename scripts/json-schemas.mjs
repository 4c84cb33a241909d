// JSON Schemas (2020-12) of TypeScript types, with their docstrings: as far as the types of the protocol need it.
import { sep } from 'node:path';

import ts from 'typescript';

/** Numbers whose docstring names their bounds: `1–60`. */
const BOUNDS = /(?:^|[ ,])(\d+(?:\.\d+)?)–(\d+(?:\.\d+)?)(?=[.,; )]|$)/;

/** Makes schemas; named types of `src` become components that are referred to. */
export class JsonSchemas {
  /** By name. */
  components = {};
  #checker;
  #folder;
  #declared = new Map();

  /** @param folder - types that are declared below it are components. */
  constructor(program, folder) {
    this.#checker = program.getTypeChecker();
    this.#folder = folder + sep;
  }

  /** @throws Error for a type that JSON does not have, or that is not foreseen. */
  of(type) {
    const named = type.aliasTypeArguments === undefined ? (type.aliasSymbol ?? type.symbol) : undefined;
    const isNamed =
      named !== undefined &&
      (named.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)) !== 0 &&
      named.declarations.every((one) => one.getSourceFile().fileName.startsWith(this.#folder));
    return isNamed ? this.#component(named, type) : this.#inline(type);
  }

  /** The properties of an object type, by name. */
  properties(type) {
    return type.getProperties().map((symbol) => [symbol.name, this.#typeOf(symbol), symbol]);
  }

  /** The literal texts or numbers that a type is one of. */
  literals(type) {
    return (type.isUnion() ? type.types : [type]).map((one) => one.value);
  }

  #component(symbol, type) {
    const { name } = symbol;
    const known = this.#declared.get(name);
    if (known !== undefined && known !== symbol) throw new Error(`Two types have the name ${name}`);
    if (known === undefined) {
      this.#declared.set(name, symbol);
      // Reserved before it is made: a type may refer to itself.
      this.components[name] = {};
      Object.assign(this.components[name], this.#described(this.#inline(type), symbol));
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  #inline(type) {
    const { flags } = type;
    if (flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) return {};
    if (flags & ts.TypeFlags.Null) return { type: 'null' };
    if (type.isLiteral()) return { type: typeof type.value, const: type.value };
    if (flags & ts.TypeFlags.BooleanLiteral) return { const: type.intrinsicName === 'true' };
    if (flags & ts.TypeFlags.String) return { type: 'string' };
    if (flags & ts.TypeFlags.Number) return { type: 'number' };
    if (flags & ts.TypeFlags.Boolean) return { type: 'boolean' };
    if (type.isUnion()) return this.#union(type.types);
    if (this.#checker.isArrayType(type)) {
      return { type: 'array', items: this.of(this.#checker.getTypeArguments(type)[0]) };
    }
    if (flags & ts.TypeFlags.Object || type.isIntersection()) return this.#object(type);
    throw new Error(`There is no JSON Schema for ${this.#checker.typeToString(type)}`);
  }

  #union(all) {
    const types = all.filter(({ flags }) => !(flags & ts.TypeFlags.Undefined));
    const literals = types.filter((type) => type.isLiteral()).map(({ value }) => value);
    const booleans = types.filter(({ flags }) => flags & ts.TypeFlags.BooleanLiteral);
    const others = types.filter((type) => !type.isLiteral() && !booleans.includes(type));
    const schemas = [
      // The compiler's order depends on what it has met first.
      ...(literals.length === 0 ? [] : [enumeration(literals)]),
      ...(booleans.length === 2 ? [{ type: 'boolean' }] : booleans.map((type) => this.#inline(type))),
      ...others.map((type) => this.of(type)),
    ];
    return schemas.length === 1 ? schemas[0] : { anyOf: schemas };
  }

  #object(type) {
    const values = this.#checker.getIndexInfosOfType(type)[0]?.type;
    const properties = this.properties(type);
    const required = properties.filter(([, , symbol]) => !isOptional(symbol)).map(([name]) => name);
    return {
      type: 'object',
      ...(values === undefined ? {} : { additionalProperties: this.of(values) }),
      ...(properties.length === 0
        ? {}
        : {
            properties: Object.fromEntries(
              properties.map(([name, of, symbol]) => [name, this.#described(this.of(of), symbol)]),
            ),
          }),
      ...(required.length === 0 ? {} : { required }),
    };
  }

  /** As it is written, so that an alias keeps its name. */
  #typeOf(symbol) {
    const node = symbol.valueDeclaration?.type;
    const written = node === undefined ? undefined : this.#checker.getTypeFromTypeNode(node);
    const isOpen = written === undefined || written.flags & (ts.TypeFlags.TypeParameter | ts.TypeFlags.Any);
    return isOpen ? this.#checker.getTypeOfSymbol(symbol) : written;
  }

  #described(schema, symbol) {
    const description = ts
      .displayPartsToString(symbol.getDocumentationComment(this.#checker))
      .replace(/\{@link (\w+\.)?(\w+)\}/g, '`$2`')
      .replace(/\s+/g, ' ')
      .trim();
    const [, least, most] = (schema.type === 'number' && BOUNDS.exec(description)) || [];
    return {
      ...(description === '' ? {} : { description }),
      ...schema,
      ...(least === undefined ? {} : { minimum: Number(least), maximum: Number(most) }),
    };
  }
}

function enumeration(values) {
  const types = [...new Set(values.map((value) => typeof value))];
  return { ...(types.length === 1 ? { type: types[0] } : {}), enum: values.sort() };
}

function isOptional(symbol) {
  return (symbol.flags & ts.SymbolFlags.Optional) !== 0;
}
