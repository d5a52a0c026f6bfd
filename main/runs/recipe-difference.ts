/** Where two recipes differ, place by place, so that a person sees why two runs gave different results. */
import { isDeepStrictEqual } from 'node:util';
import type { ParameterValue, Recipe } from './recipe.ts';

export interface RecipeDifference {
  /** "methods.wemoe_1.learning_rate": rows are named by their ids. */
  readonly place: string;
  /** Null where the recipe says nothing. */
  readonly a: ParameterValue | null;
  readonly b: ParameterValue | null;
}

/** In the order of `a`, then what only `b` has. */
export function recipeDifferences(a: Recipe, b: Recipe): RecipeDifference[] {
  const [left, right] = [placesOf(a), placesOf(b)];
  return [...new Set([...left.keys(), ...right.keys()])]
    .map((place) => ({ place, a: left.get(place) ?? null, b: right.get(place) ?? null }))
    .filter((difference) => !isDeepStrictEqual(difference.a, difference.b));
}

function placesOf(recipe: Recipe): Map<string, ParameterValue> {
  const places = new Map<string, ParameterValue>();
  const add = (value: unknown, place: string): void => {
    if (value === undefined) return;
    if (Array.isArray(value) && value.every((each) => hasId(each))) {
      places.set(place, value.map((each) => each.id).join(', '));
      for (const { id, ...rest } of value) add(rest, `${place}.${id}`);
    } else if (Array.isArray(value)) {
      places.set(place, value.every((each) => typeof each === 'number') ? value : value.join(', '));
    } else if (typeof value === 'object' && value !== null) {
      // Parameters stand beside the method: their names say enough.
      for (const [key, each] of Object.entries(value)) {
        add(each, key === 'parameters' ? place : place === '' ? key : `${place}.${key}`);
      }
    } else {
      places.set(place, value as ParameterValue);
    }
  };
  add(recipe, '');
  return places;
}

function hasId(value: unknown): value is { readonly id: string } {
  return typeof value === 'object' && value !== null && 'id' in value;
}
