/** SwiftShader, the Vulkan driver in software that Electron brings: a card on machines that have none. */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const runtimes = fileURLToPath(new URL('../../.cache/electron/', import.meta.url));

/** The folder of the Electron runtime with SwiftShader in it; undefined where there is none. */
export function swiftShaderFolder(): string | undefined {
  if (process.platform !== 'linux' || !existsSync(runtimes)) return undefined;
  return readdirSync(runtimes)
    .map((version) => join(runtimes, version))
    .find((folder) => existsSync(join(folder, 'vk_swiftshader_icd.json')));
}

/** The environment in which a process finds SwiftShader, or `driver`, as the only Vulkan driver. */
export function vulkanEnvironment(
  folder: string,
  driver = join(folder, 'vk_swiftshader_icd.json'),
): Record<string, string> {
  const { LD_LIBRARY_PATH } = process.env;
  return {
    // The loader itself, which many machines lack.
    LD_LIBRARY_PATH: [folder, ...(LD_LIBRARY_PATH === undefined ? [] : [LD_LIBRARY_PATH])].join(
      ':',
    ),
    VK_ICD_FILENAMES: driver,
    VK_DRIVER_FILES: driver,
  };
}
