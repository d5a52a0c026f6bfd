/** The path through the application, a view a step. */
import type { ViewName } from '../lib/navigation.svelte.ts';

export interface Step {
  readonly view: ViewName;
  readonly title: string;
  readonly text: string;
}

export const steps: readonly Step[] = [
  {
    view: 'project',
    title: 'Bring the models together',
    text: 'Choose the base model and add the checkpoints that were fine-tuned from it; drop them on the window if you like. Give each task its head and its images. Every row says whether it is ready, and if not, what is missing.',
  },
  {
    view: 'merge',
    title: 'Choose methods and run them',
    text: 'Pick one method or several; all are run on the same models and images, so that they can be compared. “Before you run” tells time and memory and what stands in the way. While a method learns, its curves show how it goes; you may pause, stop and keep the best, or cancel and go on later. Two more kinds of merges need no tasks: “Weights only” merges models of any architecture, and “LoRA adapters” combines adapters or extracts one from a fine-tuned model.',
  },
  {
    view: 'routing',
    title: 'See which expert each layer uses',
    text: 'For methods with routers: a heatmap for every layer, with the task of the images in rows and the experts in columns. Orange means more of an expert than at the start, blue less. Move the slider to watch it form, and click a cell to see its images.',
  },
  {
    view: 'compare',
    title: 'Compare with the individual models',
    text: 'How close the merge comes to every model it replaces, task by task and class by class, and the images on which two models disagree.',
  },
  {
    view: 'export',
    title: 'Take the model with you',
    text: 'Write the model with its routers or as one ordinary weight set, as ONNX or safetensors. It is opened again and compared with the merge before you get it. Runs keeps the history: every run can be looked at, noted on and run again.',
  },
];
