"""Listings of repositories as they are on the Hub, each file marked: `+` is chosen, `-` is left out and why.

Written by hand after well-known repositories; long runs of equal files are shortened.
"""

from __future__ import annotations

REPOSITORIES = {
    "sentence-transformers/all-MiniLM-L6-v2": """
        - .gitattributes: of git
        + 1_Pooling/config.json
        + README.md
        + config.json
        + config_sentence_transformers.json
        + data_config.json
        + model.safetensors
        + modules.json
        + onnx/model.onnx
        - onnx/model_O1.onnx: model.onnx is chosen
        - onnx/model_O2.onnx: model.onnx is chosen
        - onnx/model_O3.onnx: model.onnx is chosen
        - onnx/model_O4.onnx: model.onnx is chosen
        - onnx/model_qint8_arm64.onnx: model.onnx is chosen
        - onnx/model_qint8_avx512_vnni.onnx: model.onnx is chosen
        - onnx/model_quint8_avx2.onnx: model.onnx is chosen
        - openvino/openvino_model.bin: another program
        - openvino/openvino_model.xml: another program
        - openvino/openvino_model_qint8_quantized.bin: another program
        - openvino/openvino_model_qint8_quantized.xml: another program
        - pytorch_model.bin: second copy
        - rust_model.ot: second copy
        + sentence_bert_config.json
        + special_tokens_map.json
        - tf_model.h5: second copy
        + tokenizer.json
        + tokenizer_config.json
        + train_script.py
        + vocab.txt
    """,
    "sentence-transformers/LaBSE": """
        + 1_Pooling/config.json
        + 2_Dense/config.json
        + 2_Dense/model.safetensors
        - 2_Dense/pytorch_model.bin: second copy
        + config.json
        - flax_model.msgpack: second copy
        + model.safetensors
        + modules.json
        - pytorch_model.bin: second copy
        - tf_model.h5: second copy
        + vocab.txt
    """,
    "sentence-transformers, a module with a pickle only": """
        + 1_Pooling/config.json
        + 2_Dense/config.json
        + 2_Dense/pytorch_model.bin
        + config.json
        + model.safetensors
        + modules.json
        - pytorch_model.bin: second copy
    """,
    "sentence-transformers, a CLIP in a module folder": """
        + 0_CLIPModel/config.json
        + 0_CLIPModel/merges.txt
        + 0_CLIPModel/model.safetensors
        + 0_CLIPModel/preprocessor_config.json
        - 0_CLIPModel/pytorch_model.bin: second copy
        + 0_CLIPModel/vocab.json
        + config_sentence_transformers.json
        + modules.json
    """,
    "google-bert/bert-base-uncased": """
        - .gitattributes: of git
        + LICENSE
        + README.md
        + config.json
        - coreml/fill-mask/float32_model.mlpackage/Data/com.apple.CoreML/model.mlmodel: another program
        - coreml/fill-mask/float32_model.mlpackage/Data/com.apple.CoreML/weights/weight.bin: another program
        - coreml/fill-mask/float32_model.mlpackage/Manifest.json: another program
        - flax_model.msgpack: second copy
        + model.onnx
        + model.safetensors
        - pytorch_model.bin: second copy
        - rust_model.ot: second copy
        - tf_model.h5: second copy
        + tokenizer.json
        + tokenizer_config.json
        + vocab.txt
    """,
    "an old repository without safe weights": """
        + config.json
        - flax_model.msgpack: another program
        + pytorch_model.bin
        - rust_model.ot: another program
        - tf_model.h5: another program
        + vocab.json
    """,
    "a sharded one without safe weights": """
        + config.json
        + pytorch_model-00001-of-00002.bin
        + pytorch_model-00002-of-00002.bin
        + pytorch_model.bin.index.json
    """,
    "TensorFlow only": """
        + config.json
        + tf_model.h5
        + vocab.txt
    """,
    "openai/whisper-large-v3": """
        + added_tokens.json
        + config.json
        - flax_model.msgpack: second copy
        + generation_config.json
        + merges.txt
        - model.fp32-00001-of-00002.safetensors: model.safetensors is chosen
        - model.fp32-00002-of-00002.safetensors: model.safetensors is chosen
        + model.safetensors
        - model.safetensors.index.fp32.json: list of shards
        + preprocessor_config.json
        - pytorch_model.bin: second copy
        - pytorch_model.fp32-00001-of-00002.bin: second copy
        - pytorch_model.fp32-00002-of-00002.bin: second copy
        - pytorch_model.bin.index.fp32.json: list of shards
        + tokenizer.json
    """,
    "meta-llama/Llama-3.1-8B-Instruct": """
        + LICENSE
        + USE_POLICY.md
        + config.json
        + generation_config.json
        + model-00001-of-00004.safetensors
        + model-00002-of-00004.safetensors
        + model-00003-of-00004.safetensors
        + model-00004-of-00004.safetensors
        + model.safetensors.index.json
        - original/consolidated.00.pth: second copy
        - original/params.json: second copy
        - original/tokenizer.model: second copy
        + special_tokens_map.json
        + tokenizer.json
        + tokenizer_config.json
    """,
    "mistralai/Mistral-7B-Instruct-v0.3": """
        + config.json
        - consolidated.safetensors: second copy
        + model-00001-of-00003.safetensors
        + model-00002-of-00003.safetensors
        + model-00003-of-00003.safetensors
        + model.safetensors.index.json
        + params.json
        + tokenizer.json
        + tokenizer.model
        + tokenizer.model.v3
    """,
    "mistralai, sharded twice": """
        + config.json
        - consolidated-00001-of-00002.safetensors: second copy
        - consolidated-00002-of-00002.safetensors: second copy
        - consolidated.safetensors.index.json: list of shards
        + model-00001-of-00002.safetensors
        + model-00002-of-00002.safetensors
        + model.safetensors.index.json
        + tekken.json
    """,
    "mistralai, consolidated only": """
        + consolidated.safetensors
        + params.json
        + tekken.json
    """,
    "openai/gpt-oss-20b": """
        + chat_template.jinja
        + config.json
        - metal/model.bin: second copy
        + model-00000-of-00002.safetensors
        + model-00001-of-00002.safetensors
        + model-00002-of-00002.safetensors
        + model.safetensors.index.json
        - original/config.json: second copy
        - original/dtypes.json: second copy
        - original/model.safetensors: second copy
        + tokenizer.json
    """,
    "stable-diffusion-v1-5/stable-diffusion-v1-5": """
        + feature_extractor/preprocessor_config.json
        + model_index.json
        + safety_checker/config.json
        - safety_checker/model.fp16.safetensors: model.safetensors is chosen
        + safety_checker/model.safetensors
        - safety_checker/pytorch_model.bin: second copy
        - safety_checker/pytorch_model.fp16.bin: second copy
        + scheduler/scheduler_config.json
        + text_encoder/config.json
        - text_encoder/model.fp16.safetensors: model.safetensors is chosen
        + text_encoder/model.safetensors
        - text_encoder/pytorch_model.bin: second copy
        + tokenizer/merges.txt
        + tokenizer/vocab.json
        + unet/config.json
        - unet/diffusion_pytorch_model.bin: second copy
        - unet/diffusion_pytorch_model.fp16.bin: second copy
        - unet/diffusion_pytorch_model.fp16.safetensors: diffusion_pytorch_model.safetensors is chosen
        - unet/diffusion_pytorch_model.non_ema.bin: second copy
        - unet/diffusion_pytorch_model.non_ema.safetensors: diffusion_pytorch_model.safetensors is chosen
        + unet/diffusion_pytorch_model.safetensors
        - v1-5-pruned-emaonly.ckpt: second copy
        - v1-5-pruned-emaonly.safetensors: second copy
        - v1-5-pruned.ckpt: second copy
        + v1-inference.yaml
        + vae/config.json
        - vae/diffusion_pytorch_model.bin: second copy
        + vae/diffusion_pytorch_model.safetensors
    """,
    "black-forest-labs/FLUX.1-dev": """
        + LICENSE.md
        - ae.safetensors: second copy
        + dev_grid.jpg
        - flux1-dev.safetensors: second copy
        + model_index.json
        + scheduler/scheduler_config.json
        + text_encoder/model.safetensors
        + text_encoder_2/model-00001-of-00002.safetensors
        + text_encoder_2/model-00002-of-00002.safetensors
        + text_encoder_2/model.safetensors.index.json
        + transformer/config.json
        + transformer/diffusion_pytorch_model-00001-of-00003.safetensors
        + transformer/diffusion_pytorch_model-00002-of-00003.safetensors
        + transformer/diffusion_pytorch_model-00003-of-00003.safetensors
        + transformer/diffusion_pytorch_model.safetensors.index.json
        + vae/diffusion_pytorch_model.safetensors
    """,
    "diffusers, a component with a pickle only": """
        + model_index.json
        + safety_checker/config.json
        + safety_checker/pytorch_model.bin
        - safety_checker/flax_model.msgpack: another program
        + unet/diffusion_pytorch_model.safetensors
        - unet/diffusion_flax_model.msgpack: second copy
        + vae/diffusion_pytorch_model.bin
    """,
    "diffusers, a component in half precision only, sharded": """
        + model_index.json
        + transformer/diffusion_pytorch_model.fp16-00001-of-00002.safetensors
        + transformer/diffusion_pytorch_model.fp16-00002-of-00002.safetensors
        + transformer/diffusion_pytorch_model.safetensors.index.fp16.json
        + vae/diffusion_pytorch_model.safetensors
        - vae/diffusion_pytorch_model.fp16.safetensors: diffusion_pytorch_model.safetensors is chosen
    """,
    "diffusers for ONNX": """
        + model_index.json
        + text_encoder/model.onnx
        + unet/model.onnx
        + unet/weights.pb
        + vae_decoder/model.onnx
        + vae_encoder/model.onnx
        + scheduler/scheduler_config.json
    """,
    "diffusers for OpenVINO only": """
        + model_index.json
        + unet/openvino_model.bin
        + unet/openvino_model.xml
        + vae_decoder/openvino_model.bin
        + vae_decoder/openvino_model.xml
    """,
    "Xenova/whisper-tiny": """
        + config.json
        + generation_config.json
        + onnx/decoder_model.onnx
        - onnx/decoder_model_fp16.onnx: decoder_model.onnx is chosen
        + onnx/decoder_model_merged.onnx
        - onnx/decoder_model_merged_q4f16.onnx: decoder_model_merged.onnx is chosen
        - onnx/decoder_model_merged_quantized.onnx: decoder_model_merged.onnx is chosen
        - onnx/decoder_model_quantized.onnx: decoder_model.onnx is chosen
        + onnx/decoder_with_past_model.onnx
        - onnx/decoder_with_past_model_quantized.onnx: decoder_with_past_model.onnx is chosen
        + onnx/encoder_model.onnx
        - onnx/encoder_model_bnb4.onnx: encoder_model.onnx is chosen
        - onnx/encoder_model_quantized.onnx: encoder_model.onnx is chosen
        + preprocessor_config.json
        + tokenizer.json
    """,
    "onnx-community, parts without a plain form": """
        + config.json
        + onnx/decoder_model_merged_quantized.onnx
        - onnx/decoder_model_merged_q4.onnx: decoder_model_merged_quantized.onnx is chosen
        - onnx/decoder_model_merged_fp16.onnx: decoder_model_merged_quantized.onnx is chosen
        - onnx/encoder_model_fp16.onnx: encoder_model_quantized.onnx is chosen
        + onnx/encoder_model_quantized.onnx
    """,
    "onnx-community, parts that share half precision only": """
        + onnx/decoder_model_merged_fp16.onnx
        - onnx/decoder_model_merged_q4.onnx: decoder_model_merged_fp16.onnx is chosen
        + onnx/encoder_model_fp16.onnx
        - onnx/encoder_model_int8.onnx: encoder_model_fp16.onnx is chosen
    """,
    "onnx-community/Llama-3.2-1B-Instruct-ONNX": """
        + config.json
        + onnx/model.onnx
        + onnx/model.onnx_data
        + onnx/model.onnx_data_1
        - onnx/model_bnb4.onnx: model.onnx is chosen
        - onnx/model_fp16.onnx: model.onnx is chosen
        - onnx/model_fp16.onnx_data: model.onnx is chosen
        - onnx/model_int8.onnx: model.onnx is chosen
        - onnx/model_q4.onnx: model.onnx is chosen
        - onnx/model_q4.onnx_data: model.onnx is chosen
        - onnx/model_q4f16.onnx: model.onnx is chosen
        - onnx/model_uint8.onnx: model.onnx is chosen
        + tokenizer.json
    """,
    "ONNX with data in files of other names": """
        + config.json
        + model_int8.onnx
        + model_int8.bin
        + onnx__MatMul_123
        + embeddings.weight
        - model_q4.onnx: model_int8.onnx is chosen
        - model_q4.data: model_int8.onnx is chosen
    """,
    "microsoft/Phi-3-mini-4k-instruct-onnx": """
        + README.md
        + config.json
        + cpu_and_mobile/cpu-int4-rtn-block-32/genai_config.json
        + cpu_and_mobile/cpu-int4-rtn-block-32/phi3-mini-4k-instruct-cpu-int4-rtn-block-32.onnx
        + cpu_and_mobile/cpu-int4-rtn-block-32/phi3-mini-4k-instruct-cpu-int4-rtn-block-32.onnx.data
        - cuda/cuda-fp16/genai_config.json: for another device
        - cuda/cuda-fp16/phi3-mini-4k-instruct-cuda-fp16.onnx: for another device
        - cuda/cuda-fp16/phi3-mini-4k-instruct-cuda-fp16.onnx.data: for another device
        - directml/directml-int4-awq-block-128/model.onnx: for another device
        - directml/directml-int4-awq-block-128/model.onnx.data: for another device
    """,
    "TheBloke/Llama-2-7B-GGUF": """
        + LICENSE.txt
        + config.json
        - llama-2-7b.Q2_K.gguf: another quantisation: Q4_K_M is chosen
        - llama-2-7b.Q3_K_L.gguf: Q4_K_M is chosen
        - llama-2-7b.Q4_0.gguf: Q4_K_M is chosen
        + llama-2-7b.Q4_K_M.gguf
        - llama-2-7b.Q4_K_S.gguf: Q4_K_M is chosen
        - llama-2-7b.Q5_K_M.gguf: Q4_K_M is chosen
        - llama-2-7b.Q8_0.gguf: Q4_K_M is chosen
    """,
    "bartowski/Qwen2.5-7B-Instruct-GGUF": """
        + README.md
        - Qwen2.5-7B-Instruct-IQ2_M.gguf: Q4_K_M is chosen
        - Qwen2.5-7B-Instruct-IQ4_XS.gguf: Q4_K_M is chosen
        - Qwen2.5-7B-Instruct-Q4_0_8_8.gguf: Q4_K_M is chosen
        - Qwen2.5-7B-Instruct-Q4_K_L.gguf: Q4_K_M is chosen
        + Qwen2.5-7B-Instruct-Q4_K_M.gguf
        - Qwen2.5-7B-Instruct-Q6_K_L.gguf: Q4_K_M is chosen
        - Qwen2.5-7B-Instruct-f16.gguf: Q4_K_M is chosen
        - Qwen2.5-7B-Instruct-imatrix.gguf: calibration
    """,
    "unsloth/DeepSeek-R1-GGUF": """
        - DeepSeek-R1-BF16/DeepSeek-R1.BF16-00001-of-00002.gguf: Q4_K_M is chosen
        - DeepSeek-R1-BF16/DeepSeek-R1.BF16-00002-of-00002.gguf: Q4_K_M is chosen
        + DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-00001-of-00003.gguf
        + DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-00002-of-00003.gguf
        + DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-00003-of-00003.gguf
        - DeepSeek-R1-UD-IQ1_S/DeepSeek-R1-UD-IQ1_S-00001-of-00001.gguf: Q4_K_M is chosen
        - DeepSeek-R1.Q8_0/DeepSeek-R1.Q8_0-00001-of-00001.gguf: Q4_K_M is chosen
        + README.md
        + config.json
    """,
    "unsloth/gemma-3-4b-it-GGUF": """
        - BF16/gemma-3-4b-it-BF16-00001-of-00002.gguf: Q4_K_M is chosen
        - BF16/gemma-3-4b-it-BF16-00002-of-00002.gguf: Q4_K_M is chosen
        + gemma-3-4b-it-Q4_K_M.gguf
        - gemma-3-4b-it-Q8_0.gguf: Q4_K_M is chosen
        - gemma-3-4b-it-UD-Q4_K_XL.gguf: Q4_K_M is chosen
        - imatrix_unsloth.gguf: calibration
        - mmproj-BF16.gguf: F16 is chosen
        + mmproj-F16.gguf
        - mmproj-F32.gguf: F16 is chosen
        + params
        + template
    """,
    "mradermacher, two makers of one quantisation": """
        + Model.Q4_K_M.gguf
        - Model.i1-Q4_K_M.gguf: Q4_K_M is chosen
        - Model.i1-Q6_K.gguf: Q4_K_M is chosen
    """,
    "microsoft/Phi-3-mini-4k-instruct-gguf": """
        - Phi-3-mini-4k-instruct-fp16.gguf: Q4 is chosen
        + Phi-3-mini-4k-instruct-q4.gguf
        + Modelfile_q4
    """,
    "a quantisation of which shards are missing": """
        - m-Q4_K_M-00001-of-00002.gguf: Q8_0 is chosen
        + m-Q8_0.gguf
    """,
    "GGUF without a word of the quantisation": """
        + gemma-2b-it.gguf
        + README.md
    """,
    "GGUF of several models": """
        + clip_l.gguf
        - flux1-dev-F16.gguf: Q8_0 is chosen
        + flux1-dev-Q8_0.gguf
        + t5xxl-Q4_K_M.gguf
        - t5xxl-Q8_0.gguf: Q4_K_M is chosen
    """,
    "city96/FLUX.1-dev-gguf beside a decoder": """
        + ae.safetensors
        - flux1-dev-Q2_K.gguf: Q4_K_S is chosen
        + flux1-dev-Q4_K_S.gguf
        - flux1-dev-Q8_0.gguf: Q4_K_S is chosen
    """,
    "a Trainer's output": """
        + README.md
        + all_results.json
        - checkpoint-1000/model.safetensors: a checkpoint
        - checkpoint-1000/optimizer.pt: left over
        - checkpoint-1000/rng_state_0.pth: left over
        - checkpoint-1000/trainer_state.json: a checkpoint
        - checkpoint-500/model.safetensors: a checkpoint
        + config.json
        + model.safetensors
        - optimizer.pt: left over
        - rng_state.pth: left over
        - runs/Jan01_host/events.out.tfevents.1700000000.host.1.0: left over
        - scheduler.pt: left over
        + tokenizer.json
        + trainer_state.json
        - training_args.bin: left over
    """,
    "checkpoints and nothing else": """
        + checkpoint-500/config.json
        + checkpoint-500/model.safetensors
        - checkpoint-500/optimizer.pt: left over
        + checkpoint-1000/config.json
        + checkpoint-1000/model.safetensors
    """,
    "a PEFT adapter": """
        + adapter_config.json
        - adapter_model.bin: second copy
        + adapter_model.safetensors
        + tokenizer.json
        - training_args.bin: left over
    """,
    "h94/IP-Adapter-FaceID": """
        + ip-adapter-faceid_sd15.bin
        + ip-adapter-faceid_sd15_lora.safetensors
        + ip-adapter-faceid-plusv2_sd15.bin
        + README.md
    """,
    "ResembleAI/chatterbox": """
        + conds.pt
        - s3gen.pt: second copy
        + s3gen.safetensors
        - t3_cfg.pt: second copy
        + t3_cfg.safetensors
        - ve.pt: second copy
        + ve.safetensors
        + tokenizer.json
    """,
    "hexgrad/Kokoro-82M": """
        + config.json
        + kokoro-v1_0.pth
        + voices/af_bella.pt
        + voices/af_heart.pt
    """,
    "a voice model with a small helper in ONNX": """
        + hubert_base.pt
        + rmvpe.onnx
    """,
    "minishlab/potion-base-8M": """
        + config.json
        + model.safetensors
        + modules.json
        + onnx/model.onnx
        + tokenizer.json
    """,
    "Systran/faster-whisper-tiny": """
        + config.json
        + model.bin
        + tokenizer.json
        + vocabulary.txt
    """,
    "code beside the weights": """
        + config.json
        + configuration_llada.py
        + model-00001-of-00002.safetensors
        + model-00002-of-00002.safetensors
        + model.safetensors.index.json
        + modeling_llada.py
        - pytorch_model-00001-of-00002.bin: second copy
        - pytorch_model-00002-of-00002.bin: second copy
        - pytorch_model.bin.index.json: list of shards
        + tokenizer.json
    """,
    "TensorFlow, TFLite and safe weights": """
        + config.json
        + model.safetensors
        - model.tflite: another program
        - saved_model/1/saved_model.pb: another program
        - saved_model/1/variables/variables.index: another program
        - saved_model/1/variables/variables.data-00000-of-00001: another program
    """,
}


def marked(listing: str) -> tuple[list[str], dict[str, str]]:
    """The paths of a listing in order, and the expected reason of those that are left out."""
    paths: list[str] = []
    left_out: dict[str, str] = {}
    for line in filter(None, map(str.strip, listing.splitlines())):
        mark, _, rest = line.partition(" ")
        path, _, reason = rest.partition(": ")
        paths.append(path)
        assert mark in {"+", "-"}
        assert (mark == "-") == bool(reason)
        if reason:
            left_out[path] = reason
    return paths, left_out
