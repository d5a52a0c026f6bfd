/** The client of the index of Python packages, as a person has settled it. */
import { HubClient } from './client.ts';
import { indexSettings } from './index-settings.ts';
import { offlineBySetting, readSavedSettings } from './saved-settings.ts';
import { hubSettings } from './settings.ts';

/** Runs `work` with a client that is closed afterwards. Throws `hub.setting_invalid`, and what `work` throws. */
export async function withIndexClient<T>(work: (client: HubClient) => Promise<T>): Promise<T> {
  const settings = hubSettings({ offline: offlineBySetting(await readSavedSettings()) });
  const client = new HubClient(indexSettings(settings));
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
