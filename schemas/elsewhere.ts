/**
 * What other tools call the fields of a plan: Hugging Face's TrainingArguments and PEFT's LoraConfig, TRL, Axolotl, Unsloth,
 * LLaMA-Factory, mlx-lm, Keras. An unknown key of theirs is answered with the plan's own field, or with the reason why there is none.
 *
 *   training.num_train_epochs: unknown key; use training.epochs
 *
 * Loaded when a plan has an unknown key. docs/coming-from-elsewhere.md is this table.
 */
import type * as SchemaAST from "effect/SchemaAST"
import { propertyOf } from "./issues.ts"
import { normalized, type PlanProblem, unknownKey } from "./problems.ts"

export interface Elsewhere {
  /** keys of other tools; case and separators do not matter */
  readonly names: ReadonlyArray<string>
  /** the plan's field, dotted; null if there is no equivalent */
  readonly path: string | null
  /** text after the path, or the reason why there is no equivalent */
  readonly say?: string
}

const of = (path: string | null, names: string, say?: string): Elsewhere => ({
  path,
  names: names.split(" "),
  ...(say === undefined ? {} : { say })
})

export const elsewhere: ReadonlyArray<Elsewhere> = [
  of("seed", "random_seed random_state data_seed"),

  of(
    "model.source",
    "model_name_or_path base_model base_model_name_or_path pretrained_model_name_or_path model_name model_id model_path"
  ),
  of("model.weights", "load_in_4bit quantization_bit", 'with "q4"'),
  of("model.weights", "load_in_8bit", 'with "int8" or "q8"'),
  of(
    "model.weights",
    "bf16 fp16 tf32 torch_dtype dtype mixed_precision",
    "for the frozen weights (f16, int8, q8, q4); computations use float32"
  ),
  of("data.labels", "num_labels id2label label2id", "if the rows do not contain all of them"),

  of("data.format", "task_type problem_type dataset_type"),
  of(
    "data.train",
    "datasets dataset dataset_name dataset_path data_path data_dir train_file train_data train_dataset",
    "a file of rows"
  ),
  of(
    "data.validation",
    "val_set_size val_size validation_split eval_split test_size validation_file eval_file eval_dataset valid_data",
    "a file, or a fraction of the training rows"
  ),
  of("data.test", "test_file test_dataset test_datasets"),
  of("data.text", "dataset_text_field text_column text_column_name text_field"),
  of("data.textPair", "text_pair_column text2 sentence2 sentence2_key"),
  of("data.separator", "delimiter sep field_separator", 'by name, such as "semicolon"'),
  of("data.holdOut", "stratify stratify_by_column", '"stratified" by default'),
  of("data.prompt", "prompt_column prompt_field instruction_column"),
  of("data.completion", "completion_column response_column completion_field"),
  of("data.label", "label_column label_column_name label_field target_column"),
  of(
    "data.maxLength",
    "max_seq_length max_seq_len max_length sequence_len seq_length cutoff_len model_max_length block_size"
  ),
  of("data.lossOn", "train_on_inputs train_on_prompt", 'with "all"'),
  of("data.lossOn", "completion_only_loss assistant_only_loss mask_prompt train_on_responses_only"),
  of("data.packing", "sample_packing pack_sequences"),
  of("data.bucketPool", "group_by_length length_bucketing", "which batches texts of similar length"),
  of("data.system", "system_prompt default_system"),
  of("data.chatTemplate", "chat_template chat_template_path chat_template_jinja", "a path"),
  of("data.templateValues", "chat_template_kwargs"),
  of("data.tools", "field_tools tools_column"),

  of("adapter.method", "peft_type finetuning_type fine_tune_type"),
  of("adapter.method", "use_dora peft_use_dora", 'with "dora"'),
  of("adapter.rank", "r lora_r lora_rank"),
  of("adapter.alpha", "lora_alpha"),
  of("adapter.scaling", "use_rslora peft_use_rslora", 'with "rank-stabilized"'),
  of("adapter.dropout", "lora_dropout"),
  of("adapter.init", "init_lora_weights pissa_init"),
  of(
    "adapter.targets",
    "target_modules lora_target lora_target_modules lora_target_linear layers_to_transform layers_pattern lora_layers num_layers",
    'such as ["query", "value"] or ["encoder.layer.*.attention.**"]'
  ),
  of("adapter.exclude", "exclude_modules"),
  of("adapter.modulesToSave", "modules_to_save lora_modules_to_save additional_target"),
  of("adapter.overrides", "rank_pattern alpha_pattern"),
  of("adapter.from", "lora_model_dir adapter_name_or_path resume_adapter_file peft_model_id"),
  of(null, "lora_bias", "the biases of adapted layers are frozen"),
  of(null, "fan_in_fan_out", "the orientation of a weight is known from its layer"),
  of(null, "inference_mode", "a plan is for training"),

  of("optimizer.kind", "optim optimizer_type optimizer_name"),
  of("optimizer.learningRate", "learning_rate lr"),
  of("optimizer.ratio", "loraplus_lr_ratio loraplus_ratio", 'with kind "lora-plus"'),
  of("optimizer.weightDecay", "weight_decay"),
  of("optimizer.clipNorm", "max_grad_norm max_gradient_norm gradient_clipping gradient_clip_val clip_grad_norm"),
  of("optimizer.schedule", "lr_scheduler_type lr_scheduler lr_schedule scheduler", 'such as { "kind": "cosine" }'),
  of("optimizer.schedule.warmup", "warmup_ratio"),
  of("optimizer.schedule.warmupSteps", "warmup_steps num_warmup_steps warmup_iters"),
  of("optimizer.betas", "adam_beta1 adam_beta2", "a list of both"),
  of("optimizer.epsilon", "adam_epsilon eps"),

  of("loss.kind", "loss_type rl rl_type pref_loss", '"dpo" or "orpo"'),
  of("loss.beta", "dpo_beta pref_beta orpo_alpha rl_beta"),
  of("loss.classWeights", "class_weight weighted_loss", 'such as "balanced"'),
  of("loss.labelSmoothing", "label_smoothing_factor"),

  of("training.epochs", "num_train_epochs num_epochs n_epochs max_epochs"),
  of("training.steps", "max_steps max_iters iters num_train_steps num_steps total_steps"),
  of("training.batchSize", "per_device_train_batch_size train_batch_size micro_batch_size per_gpu_train_batch_size"),
  of("training.evaluateBatchSize", "per_device_eval_batch_size eval_batch_size per_gpu_eval_batch_size"),
  of(
    "training.accumulate",
    "gradient_accumulation_steps grad_accumulation_steps accumulate_grad_batches gradient_accumulation"
  ),
  of(
    "training.recompute",
    "gradient_checkpointing grad_checkpoint use_gradient_checkpointing activation_checkpointing",
    'with "blocks"'
  ),
  of(
    "training.evaluateEvery",
    "eval_steps steps_per_eval evals_per_epoch eval_strategy evaluation_strategy eval_every val_check_interval",
    "in steps"
  ),
  of("training.stopEarly", "early_stopping", 'such as { "patience": 3 }'),
  of("training.stopEarly.patience", "early_stopping_patience early_stopping_rounds n_iter_no_change"),
  of("training.stopEarly.leastGain", "early_stopping_threshold early_stopping_min_delta min_delta"),
  of("training.evaluateRows", "max_eval_samples val_batches limit_val_batches", "in rows"),
  of("training.threads", "num_threads n_threads num_workers dataloader_num_workers num_proc"),

  of("output.directory", "output_dir output_path save_dir adapter_path"),
  of(
    "output.checkpointEvery",
    "save_steps save_every save_strategy save_interval saves_per_epoch steps_per_save",
    "in steps"
  ),
  of("output.keep", "load_best_model_at_end save_best_only", '"auto", "best" or "last"'),
  of(
    "training.stopEarly.metric",
    "metric_for_best_model greater_is_better",
    "also for output.keep; the direction of every metric is known"
  ),
  of("output.keepCheckpoints", "save_total_limit", "in a finished run too"),
  of("output.tensorboard", "report_to logging_dir use_tensorboard tensorboard_dir", "true or false"),
  of(
    "output.tensorboard",
    "wandb_project wandb_entity wandb_name use_wandb wandb_log_model mlflow_tracking_uri",
    "true or false; metrics are not sent to a server"
  ),
  of(null, "logging_steps log_every logging_strategy steps_per_report", "metrics.jsonl has a line for every step"),
  of(
    null,
    "push_to_hub hub_model_id hub_strategy hub_token hub_private_repo",
    "plans do not upload; push RUN owner/name uploads a finished run"
  ),
  of(null, "run_name", "the run is named after the plan's file, or after output.directory"),
  of(null, "resume_from_checkpoint resume overwrite_output_dir", "train --resume DIR resumes a run"),
  of(null, "device device_map use_cpu no_cuda use_mps_device accelerator", "use train --device"),
  of(
    null,
    "deepspeed fsdp fsdp_config ddp_backend ddp_find_unused_parameters local_rank",
    "start train with MPI to use several processes"
  ),
  of(
    null,
    "flash_attention attn_implementation use_liger_kernel torch_compile xformers_attention",
    "every device has its own kernels"
  ),
  of(null, "trust_remote_code", "code in checkpoints is never run"),
  of(null, "remove_unused_columns", "columns that the plan does not name are not read"),
  of(null, "do_train do_eval do_predict", "use the commands train, evaluate and predict")
]

const byName = new Map(elsewhere.flatMap((entry) => entry.names.map((name) => [normalized(name), entry] as const)))

/** Returns the schemas at a dotted path in a plan; several if a section is a union. */
export const fieldsAt = (root: SchemaAST.AST, path: string): ReadonlyArray<SchemaAST.AST> =>
  path.split(".").reduce<ReadonlyArray<SchemaAST.AST>>((asts, key) => asts.flatMap((ast) => fields(ast, key)), [root])

const fields = (ast: SchemaAST.AST, key: string): ReadonlyArray<SchemaAST.AST> => {
  if (ast._tag === "Union") return ast.types.flatMap((type) => fields(type, key))
  const property = propertyOf(ast, key)
  return property === undefined ? [] : [property]
}

/** A key that is the plan's own in another place: `training.learningRate`. A tag means something else in every section. */
const placeAtHome = (name: string, root: SchemaAST.AST): string | undefined => {
  if (root._tag !== "Objects") return undefined
  const places = root.propertySignatures.flatMap(({ name: section, type }) => {
    const members = type._tag === "Union" ? type.types : [type]
    const isSection = members.some((member) => member._tag === "Objects")
    if (!isSection) return normalized(String(section)) === name ? [String(section)] : []
    const keys = members.flatMap((member) => (member._tag === "Objects" ? member.propertySignatures : []))
    const key = keys.find((one) => normalized(String(one.name)) === name && one.type._tag !== "Literal")
    return key === undefined ? [] : [`${String(section)}.${String(key.name)}`]
  })
  return places.length === 1 ? places[0] : undefined
}

/** What there is to say of an unknown key, wherever it is; undefined: nothing. `root`: the plan's kind. */
const answerTo = (path: string, root: SchemaAST.AST): string | undefined => {
  const name = normalized(path.split(".").at(-1)!)
  const entry = byName.get(name)
  if (entry?.path === null) return entry.say
  const place = entry?.path ?? placeAtHome(name, root)
  // a field of another kind of plan, or of another method
  if (place === undefined || place === path || fieldsAt(root, place).length === 0) return undefined
  return `use ${place}${entry?.say === undefined ? "" : `, ${entry.say}`}`
}

/** Returns the problems, with the plan's field added to those of unknown keys. */
export const answered = (problems: ReadonlyArray<PlanProblem>, root: SchemaAST.AST): ReadonlyArray<PlanProblem> =>
  problems.map(({ path, message }) => {
    const answer = message.startsWith(unknownKey) ? answerTo(path, root) : undefined
    return { path, message: answer === undefined ? message : `${unknownKey}; ${answer}` }
  })
