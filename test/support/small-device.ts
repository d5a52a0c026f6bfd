/** An engine whose device has room for so many images in a call, once it has done `before` calls. */
import type { Engine } from '../../main/engine/engine.ts';
import { AppError } from '../../main/lib/errors.ts';
import { onnx } from './adaptation-step.ts';

export function smallDevice(room: number, before = 0): Engine {
  let calls = 0;
  return {
    ...onnx,
    compile: async (program, constants) => {
      const executable = await onnx.compile(program, constants);
      return {
        ...executable,
        run: async (inputs) => {
          if (calls++ >= before && (inputs['images']?.shape[0] ?? 0) > room) {
            throw new AppError('engine.out_of_memory', { what: 'full', hint: 'less' });
          }
          return executable.run(inputs);
        },
      };
    },
  };
}
