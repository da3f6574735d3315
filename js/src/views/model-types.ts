/** The types of models, for filters. */
import type { ModelType } from "../protocol/schema";

const TYPES = {
  caption_generator: true,
  classification_model: true,
  detection_model: true,
  diffusion_lm: true,
  embedding_model: true,
} satisfies Record<ModelType, true>;

export const MODEL_TYPES = Object.keys(TYPES) as readonly ModelType[];
