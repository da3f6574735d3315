/** What the user has set, as signals. */
import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import { type ReadonlySignal, signal } from "@preact/signals";

/** Whether looking at the panel is enough to connect; null until the settings are there. */
export function autoConnect(settings: ISettingRegistry | null, plugin: string): ReadonlySignal<boolean | null> {
  const value = signal<boolean | null>(null);
  void follow(settings, plugin, value);
  return value;
}

async function follow(
  settings: ISettingRegistry | null,
  plugin: string,
  value: { value: boolean | null },
): Promise<void> {
  try {
    const loaded = await settings?.load(plugin);
    const read = () => {
      value.value = loaded?.composite.autoConnect !== false;
    };
    read();
    loaded?.changed.connect(read);
  } catch {
    // A host without our settings: asking first is never wrong.
    value.value = false;
  }
}
