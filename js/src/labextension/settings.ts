/** What the user has set, as signals. */
import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import { type ReadonlySignal, signal } from "@preact/signals";

/** Whether a setting that is on by default is on; null until the settings are there. */
export function followSetting(
  settings: ISettingRegistry | null,
  plugin: string,
  name: string,
): ReadonlySignal<boolean | null> {
  const value = signal<boolean | null>(null);
  void follow(settings, plugin, name, value);
  return value;
}

async function follow(
  settings: ISettingRegistry | null,
  plugin: string,
  name: string,
  value: { value: boolean | null },
): Promise<void> {
  try {
    const loaded = await settings?.load(plugin);
    const read = () => {
      value.value = loaded?.composite[name] !== false;
    };
    read();
    loaded?.changed.connect(read);
  } catch {
    // A host without our settings: to leave kernels alone is never wrong.
    value.value = false;
  }
}
