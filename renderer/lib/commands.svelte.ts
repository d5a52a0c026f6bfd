/** Commands of the menu that depend on the view: a view says what they do while it is there. */
import type { MenuCommand } from '../../main/api/menu.ts';
import { help } from './help.svelte.ts';
import { history } from './history.svelte.ts';
import { navigation, viewNames, type ViewName } from './navigation.svelte.ts';
import { runs } from './runs.svelte.ts';

type Handler = () => void | Promise<void>;

let handlers: Readonly<Partial<Record<MenuCommand, Handler>>> = {};
/** A command that came before the view that carries it out. */
let pending: MenuCommand | undefined;
/** Gives a command its meaning; returns how to take it back. Fits `$effect`. */
export function handleCommand(command: MenuCommand, handler: Handler): () => void {
  handlers = { ...handlers, [command]: handler };
  if (pending === command) {
    pending = undefined;
    queueMicrotask(() => void handler());
  }
  return () => {
    if (handlers[command] === handler) handlers = { ...handlers, [command]: undefined };
  };
}

function isTyping(): boolean {
  const element = document.activeElement;
  if (element instanceof HTMLTextAreaElement) return true;
  return (
    element instanceof HTMLInputElement &&
    !['checkbox', 'radio', 'range', 'button'].includes(element.type)
  );
}

function moveInHistory(direction: 'undo' | 'redo'): void {
  if (isTyping()) {
    // Text being typed has its own history; this is the only way to reach it.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    document.execCommand(direction);
  } else {
    void history[direction]();
  }
}

function viewOf(command: MenuCommand): ViewName | undefined {
  return viewNames.find((name) => command === `view.${name}`);
}

function handOver(command: MenuCommand): void {
  const handler = handlers[command];
  if (handler === undefined) pending = command;
  else void handler();
}

/** Carries out a command of the menu. */
export function runCommand(command: MenuCommand): void {
  const view = viewOf(command);
  if (view !== undefined) navigation.go(view);
  else if (command === 'edit.undo') moveInHistory('undo');
  else if (command === 'edit.redo') moveInHistory('redo');
  else if (command === 'help.show') help.open('start');
  else if (command === 'help.shortcuts') help.open('keyboard');
  else if (command === 'run.cancel' && runs.active !== undefined) {
    void runs.control(runs.active.id, 'cancel');
  } else if (command === 'run.cancel') {
    void handlers[command]?.();
  } else if (command === 'run.start') {
    navigation.go('merge');
    handOver(command);
  } else if (command === 'project.addExperts') {
    navigation.go('project');
    handOver(command);
  }
}
