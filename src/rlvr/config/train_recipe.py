"""The recipe of `rlvr train`: every key, its type, its bounds and its default."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from rlvr.config.alarms import ALARMS, Alarm, changed
from rlvr.config.plugins import STRICT, Engine, Objective, Sandbox, TaskSource, plugin

Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Below1 = Annotated[float, Field(ge=0, lt=1)]


class _Section(BaseModel):
    model_config = STRICT


class Tokenizer(_Section):
    """The tokenizer of an architecture: a folder with one, or a BPE trained on texts of the run's tasks."""

    path: str | None = None
    """A folder, as `rlvr tokenizer train` writes it, or a name on the hub; null: one is trained."""
    vocab_size: Annotated[int, Field(ge=258)] = 512
    """Of one that is trained: all tokens, the 256 bytes and the special ones included."""
    documents: AtLeastOne = 5000
    """Of one that is trained: on how many texts."""

    @model_validator(mode="after")
    def _trained_or_given(self) -> Self:
        for key in ("vocab_size", "documents"):
            if self.path is not None and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} is of a tokenizer that is trained, and path gives one; leave out either")
        return self


class Lora(_Section):
    """A low-rank adapter (arXiv:2106.09685), which is all that learns."""

    rank: AtLeastOne = 16
    """Of the two matrices beside each adapted one."""
    alpha: AtLeastOne = 32
    """Their product counts alpha / rank times."""
    dropout: Below1 = 0.0
    """Before them, where the objective learns with dropout."""
    targets: Literal["all-linear", "attention"] | list[str] = "all-linear"
    """Every linear layer but the head, those of attention, or ends of names such as q_proj or mlp.up_proj."""
    four_bit: bool = False
    """The frozen weights in 4 bits (QLoRA, arXiv:2305.14314); needs bitsandbytes."""


class Model(_Section):
    """Where the weights come from: exactly one of `path`, `recipe` and `architecture`; and which of them learn."""

    path: str | None = None
    """A folder (of a model, an adapter or a run), local or `s3://`, or a name on the hub."""
    recipe: "TrainRecipe | None" = None
    """A recipe that is trained first, and whose model is the start; in YAML usually the path of its file."""
    architecture: dict[str, Any] | None = None
    """A transformers configuration with fresh weights; in YAML a mapping or the path of a JSON file."""
    tokenizer: Tokenizer | None = None
    """Of an architecture; the other two bring theirs."""
    init_checkpoint: str | None = None
    """Weights for an architecture, as far as names and shapes match: a folder, a .safetensors or a .pt file."""
    chat_template: str | None = None
    """A Jinja template that writes messages as a text; null: the tokenizer's own."""
    lora: Lora | None = None
    """null: all weights learn, and an adapter that `path` brings is merged into them first."""
    freeze: list[str] = Field(default_factory=list)
    """Patterns of names of weights that do not learn, such as `*.embed_tokens.*`."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the weights in training; auto: float32, and on a GPU under an adapter, which is float32, the checkpoint's."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flex_attention"] = "auto"
    """The kernel of attention, by transformers' name; auto: transformers' own choice."""

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        given = [key for key in ("path", "recipe", "architecture") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                "needs exactly one of path, recipe and architecture, and has "
                + (" and ".join(given) + "; set the others to null" if given else "none")
            )
        if self.architecture is not None and self.tokenizer is None:
            raise ValueError("an architecture needs a tokenizer too, for example tokenizer: {vocab_size: 512}")
        if self.architecture is None and self.tokenizer is not None:
            raise ValueError(f"a tokenizer is for an architecture only; this {given[0]} brings its own")
        if self.architecture is None and self.init_checkpoint is not None:
            raise ValueError(f"init_checkpoint is for an architecture only; this {given[0]} brings its own weights")
        return self

    @model_validator(mode="after")
    def _something_learns(self) -> Self:
        if self.lora is not None and self.freeze:
            raise ValueError("with lora nothing but the adapter learns, so freeze has no effect; leave out either")
        if self.lora is not None and self.lora.four_bit and self.path is None:
            raise ValueError("lora.four_bit packs a checkpoint while it is loaded, so it needs path")
        return self


class Curriculum(_Section):
    """Which of the tasks are drawn, and in which order."""

    order: Literal["shuffled", "given"] = "shuffled"
    """shuffled: anew for each pass over the tasks. given: as the source gives them, a mixture for instance."""
    groups: Count = 0
    """A task is retired once its last so many groups were all solved, or lie outside of `band`; 0: none ever is."""
    band: tuple[Share, Share] = (0.0, 1.0)
    """Least and greatest mean pass rate of those groups."""
    revisit: Count = 0
    """A retired task is drawn once more after so many passes; 0: never."""


class Sampling(_Section):
    """How training rollouts are drawn."""

    temperature: Positive = 1.0
    """Of the softmax."""
    last_temperature: Positive | None = None
    """At the last step, reached evenly from `temperature`; null: the same at every step."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw from the smallest set of tokens with this probability; 1: from all."""
    top_k: Count = 0
    """Draw from this many most likely tokens; 0: from all."""
    max_tokens: AtLeastOne | None = None
    """Longest completion in tokens; null: what the task says."""
    replace_flat: Count = 0
    """Groups of equal rewards that are replaced in a batch by groups of further tasks, at most."""


class Optimizer(_Section):
    """One optimizer step."""

    name: Literal["adamw", "muon"] = "adamw"
    """muon: for matrices of hidden layers, AdamW for the rest."""
    lr: Positive = 1e-4
    """Peak learning rate."""
    min_lr_ratio: Share = 0.1
    """Last learning rate over `lr`, of the schedules linear and cosine."""
    schedule: Literal["constant", "linear", "cosine", "exponential"] = "cosine"
    """From `lr` to `lr * min_lr_ratio` over all steps; exponential: by the same factor in each step."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Of the exponential schedule: `lr * decay^step`, counted from the end of the warm-up."""
    warmup_steps: Count = 0
    """Steps from 0 to `lr`."""
    betas: tuple[Below1, Below1] = (0.9, 0.95)
    """AdamW's."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled from the gradient."""
    clip_norm: Positive = 1.0
    """Longest gradient; .inf: never clipped."""
    epochs: AtLeastOne = 1
    """Passes over the examples of one batch."""
    minibatch: Count = 0
    """Examples in one optimizer step; 0: the whole batch."""
    tokens_per_microbatch: AtLeastOne = 8192
    """Padded tokens in one forward pass of each process: less memory, the same gradient."""


class Compute(_Section):
    """How a training step is computed; what it learns is the same up to rounding."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products; weights stay what `model.dtype` says. auto: bfloat16 on a GPU, float32 on a CPU."""
    recompute: bool = False
    """Compute each layer again in the backward pass instead of keeping its activations."""
    compile: bool = False
    """Compile the layers with torch.compile: slow first steps, then faster ones."""
    pack: bool | Literal["auto"] = "auto"
    """Put the sequences of a forward pass into one row without padding. auto: on a GPU with attention that skips what
    lies between sequences (flash_attention, flex_attention)."""


class Evaluation(_Section):
    """What is measured while training."""

    tasks: list[TaskSource] = Field(default_factory=list)
    """Sources of tasks, each like the recipe's `tasks`."""
    loss: TaskSource | None = None
    """A source of tasks with demonstrations, whose mean loss per token is measured (nats, without dropout)."""
    every: Count = 0
    """Steps between evaluations; 0: none while training."""
    samples: AtLeastOne = 4
    """Completions for each task."""
    temperature: Positive = 1.0
    """Of these samples."""
    greedy: bool = True
    """One more completion for each task, without chance."""
    patience: Count = 0
    """The run ends when so many evaluations in a row have not bettered `checkpoint.best`, or where that is null pass@1,
    or loss without tasks; 0: it never ends early."""


class Checkpoint(_Section):
    """When the state of the run is saved."""

    every: Count = 0
    """Steps between checkpoints; 0: only at the end."""
    keep: AtLeastOne = 2
    """How many of the latest are kept."""
    keep_every: Count = 0
    """Every so many steps one is saved that stays for ever; 0: none."""
    best: Literal["pass@1", "pass@k", "greedy", "loss", "reward"] | None = None
    """A metric whose best checkpoint is saved and stays, compared at evaluations, or at checkpoints where nothing is
    evaluated. pass@k: k is `evaluation.samples`. loss: the evaluation's, else the batch's; less is better."""
    name: Literal["step", "cycle"] = "step"
    """What the folders are called: step_20, or cycle_3 where every step is a cycle over all tasks."""


class TrainRecipe(_Section):
    """A recipe of `rlvr train`."""

    command: Literal["train"]
    """The command this recipe is for."""
    name: Annotated[str, Field(min_length=1)]
    """What reports call the run; the stem of the file unless given."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Everything random follows from it: the seeds of `tasks` and of a recipe in `model` are the same unless given."""
    steps: AtLeastOne
    """Batches to train on."""
    model: Model
    tasks: TaskSource
    """`{name: NAME[:split] or the path of a tasks file, and options of that source}`"""
    curriculum: Curriculum = Curriculum()
    max_prompt_tokens: AtLeastOne | None = None
    """Tasks with longer prompts are left out and counted; null: those that leave no position for an answer."""
    batch_size: Count = 32
    """Tasks in one step; 0: all, so that a step is a cycle."""
    objective: Objective
    """`{name: a file on the shelf objectives, and its options}`"""
    engine: Engine = Field(default_factory=lambda: plugin("engines", {"name": "local"}))
    """`{name: a file on the shelf engines, and its options}`"""
    sandbox: Sandbox = Field(default_factory=lambda: plugin("sandboxes", {"name": "local"}))
    """`{name: a file on the shelf sandboxes, and its options}`"""
    reward: str | dict[str, Any] = "sparse"
    """A function of `rlvr.rewards` by name, or `{name: a function, and its options}`."""
    sampling: Sampling = Sampling()
    staleness: Count = 0
    """How many versions old the weights may be that sampled a rollout; 0: synchronous."""
    optimizer: Optimizer = Optimizer()
    compute: Compute = Compute()
    evaluation: Evaluation = Evaluation()
    checkpoint: Checkpoint = Checkpoint()
    threads: Count = 0
    """CPU threads of torch; 0: one on machines of at most four cores, else torch's own choice."""
    trackers: list[Literal["tensorboard", "wandb"]] = Field(default_factory=list)
    """Where metrics go besides the run's folder."""
    validation_data: bool = False
    """Allow tasks of validation splits, which are otherwise refused; the run says so. Test splits never are allowed."""
    trust: Literal["split", "any"] = "split"
    """split: tasks whose tests would share a process with the program, which could forge their result, are refused."""
    max_unjudged: Share = 0.05
    """The run stops when a greater share of rollouts could not be judged."""
    alarms: dict[str, Alarm] = Field(default_factory=lambda: dict(ALARMS))
    """Thresholds of metrics: `{kl: {above: 0.1, steps: 3, stop: true}}`; those that are not named stay as they are."""

    @field_validator("alarms", mode="before")
    @classmethod
    def _changed_alarms(cls, given: Any) -> Any:
        return changed(given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _something_to_evaluate(self) -> Self:
        if self.evaluation.every and not (self.evaluation.tasks or self.evaluation.loss):
            raise ValueError(f"evaluation.every is {self.evaluation.every}, but evaluation has neither tasks nor loss")
        if (self.evaluation.tasks or self.evaluation.loss) and not self.evaluation.every:
            raise ValueError("evaluation has tasks or loss, but evaluation.every is 0, which is never")
        return self

    @model_validator(mode="after")
    def _something_to_be_best_at(self) -> Self:
        best, evaluation = self.checkpoint.best, self.evaluation
        if evaluation.patience and not evaluation.every:
            raise ValueError("evaluation.patience counts evaluations, but evaluation.every is 0, which is never")
        if best in ("pass@1", "pass@k", "greedy") and not evaluation.tasks:
            raise ValueError(f"checkpoint.best is {best}, but evaluation.tasks is empty")
        if best == "greedy" and not evaluation.greedy:
            raise ValueError("checkpoint.best is greedy, but evaluation.greedy is false")
        if best and not (evaluation.every or self.checkpoint.every):
            raise ValueError("checkpoint.best is compared every evaluation.every or checkpoint.every steps; both are 0")
        return self


Model.model_rebuild()
