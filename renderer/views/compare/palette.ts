/** Colours of models: the individual ones are the neutral yardstick, the others take hues by their place. */
import { taskColourAt } from '../../lib/colours.ts';
import type { Model } from './models.ts';

/** Hues that differ from the yardstick's grey. */
const hues = 9;

/** `neutral` is the colour of the first individual models; a second run's need one of their own. */
export function modelColour(model: Model, slot: number, neutral: string, dark: boolean): string {
  if (model.kind === 'individual' && slot === 0) return neutral;
  return taskColourAt((slot + hues - 1) % hues, dark);
}
