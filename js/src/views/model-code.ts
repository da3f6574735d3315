/** The Python that uses a model, for a cell. Ids are untrusted: they stand in it as quoted text only. Pure. */
import type { ModelType, Row } from "../protocol/schema";

const EXAMPLES: Record<ModelType, string> = {
  caption_generator: 'print(model("picture.png")[0]["generated_text"])',
  detection_model: `for found in model("picture.png"):
    print(found["label"], found["score"], found["box"])`,
  embedding_model: `vectors = model(["the cat sleeps", "a kitten naps"])
print(vectors.shape)`,
  classification_model: `for answer in model("picture.png"):  # or a text, where the model takes texts
    print(answer["label"], answer["score"])`,
  diffusion_lm: 'print(model("Once upon a time"))',
};

/** What stands in the way of using it is done first: where it is loaded, nothing is. */
export function modelCode({ id, type, status }: Pick<Row, "id" | "type" | "status">): string {
  const name = pythonText(id);
  const lines = ["import rmm_widgets", "", "manager = rmm_widgets.get_manager()"];
  if (status === "loaded") {
    lines.push(`model = manager.get_model_instance(${name})`);
  } else {
    if (status !== "downloaded" && status !== "loading") {
      lines.push(`await manager.download_model(${name})`);
    }
    lines.push(`model = await manager.load_model(${name})`);
  }
  return [...lines, "", EXAMPLES[type]].join("\n");
}

/** A Python literal; what cannot be seen, or would change the order of what is seen, stands as its number. */
export function pythonText(text: string): string {
  const escaped = [...text].map((character) => {
    if (character === '"' || character === "\\") {
      return `\\${character}`;
    }
    const code = character.codePointAt(0) ?? 0;
    if (character !== " " && /[\p{C}\p{Z}]/u.test(character)) {
      return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    }
    return character;
  });
  return `"${escaped.join("")}"`;
}
