"""Algorithm 2 of Belmekki et al. (2024): training with Convolutional Similarity in the loss."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from convsim.data import Images
from convsim.similarity import Convolution, convolutional_layers, convolutional_similarity
from convsim.training.checkpoint import Underway, load_checkpoint, save_checkpoint
from convsim.training.history import (
    Epoch,
    Stopped,
    check_finite,
    measure_layers,
)

PRECISIONS = ("float32", "tf32", "bfloat16")
EVALUATED_AT_ONCE = 2000  # images
LOOP = 2
"""Version of the training loop and of its networks, for records.

Version 1 gave biases before a batch normalisation their gradients, which are nothing but rounding,
pooled behind the leaky ReLU, and left all of the padding to the convolution.
"""


def fit(
    model: nn.Module,
    train: Images,
    test: Images,
    *,
    epochs: int = 100,
    lr: float = 0.01,
    batch_size: int = 512,
    beta: float = 0.0,
    weight_decay: float = 0.0,
    seed: int = 0,
    precision: str = "float32",
    checkpoint: Path | None = None,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> list[Epoch]:
    r"""Train a classifier with SGD on the cross-entropy plus :math:`\beta \sum L_{CS}`, in place.

    With ``beta`` above 0 this is the paper's Algorithm 2, with 0 plain training; the defaults are
    the paper's. Model and images stay on the model's device, the weights in channels-last order.
    An epoch's shuffle depends on ``seed`` and its number alone, so that a run that was stopped
    continues from its checkpoint to the same numbers.

    Args:
        model: takes ``(B, 3, H, W)`` float32 images, gives ``(B, classes)`` scores.
        train: training images.
        test: images to evaluate on after each epoch.
        epochs: number of passes.
        lr: learning rate of SGD, which has no momentum here.
        batch_size: images a step.
        beta: weight of the sum of L_CS over the convolutional layers in the loss.
        weight_decay: the same for ½ ‖w‖² of the convolutional layers' weights, through SGD.
        seed: seed of the shuffles, and of dropout if there is any.
        precision: ``"float32"``; ``"tf32"``, on a GPU only; or ``"bfloat16"``, autocast, with
            weights and L_CS in float32.
        checkpoint: a safetensors file, written after every epoch and continued from if it is
            there.
        progress: show a progress bar.
        stop: asked after every step; once it says yes, the checkpoint is written and the run left.

    Returns:
        A list with one :class:`convsim.training.history.Epoch` an epoch, those before a stop
        included.

    Raises:
        ValueError: for settings out of range, or a checkpoint that is damaged or of another run.
        FloatingPointError: if the loss or a weight stops being finite; the message names the
            epoch, the layer and the last finite loss.
        convsim.training.history.Stopped: if ``stop`` said yes.

    Example:
        >>> from convsim import models
        >>> from convsim.data import digits
        >>> _ = torch.manual_seed(0)
        >>> history = fit(models.ShallowCNN(4), *digits(), epochs=1, progress=False)
        >>> len(history), sorted(history[0].norm)[0]
        (1, 'blocks.0.0')
    """
    device = next(model.parameters()).device
    settings: dict[str, Any] = {
        **{"lr": lr, "batch_size": batch_size, "beta": beta, "weight_decay": weight_decay},
        **{"seed": seed, "precision": precision, "data": train.source, "images": len(train)},
        "loop": LOOP,
    }
    _check_settings(epochs=epochs, device=device, **settings)
    train, test = train.to(device), test.to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    layers = convolutional_layers(model)
    optimizer = _sgd(model, layers, lr, weight_decay)
    history, underway = (
        load_checkpoint(checkpoint, model, settings) if checkpoint else ([], Underway())
    )
    if len(history) > epochs:
        raise ValueError(
            f"{checkpoint} holds {len(history)} epochs; expected {epochs} at the most: ask for "
            "more epochs, or delete it to start again"
        )
    epochs_so_far = [Epoch(**entry) for entry in history]
    steps = math.ceil(len(train) / batch_size)

    def save(underway: Underway | None = None) -> None:
        if checkpoint:
            rows = [asdict(epoch) for epoch in epochs_so_far]
            save_checkpoint(checkpoint, model, settings, rows, underway)

    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        tqdm(
            total=epochs * steps,
            initial=len(history) * steps + len(underway.losses),
            unit="step",
            disable=not progress,
        ) as bar,
    ):
        for number in range(len(history) + 1, epochs + 1):
            bar.set_description(f"epoch {number} of {epochs}")
            torch.manual_seed(seed * 1_000_003 + number)
            order = torch.randperm(len(train), device=device)
            if underway.generator is not None:
                _set_generator_state(device, underway.generator)
            batches = train.batches(batch_size, order[len(underway.losses) * batch_size :])
            with _kernels(device, tf32=precision == "tf32"):
                whole = _train(
                    model, batches, optimizer, layers, beta, precision, underway, bar, stop
                )
            if not whole:
                underway.generator = _generator_state(device)
                save(underway)
                raise Stopped(f"stopped in epoch {number} of {epochs}")
            loss = torch.tensor(underway.losses)
            check_finite(loss, model, layers, number)
            epoch = Epoch(
                epoch=number,
                loss=loss.mean().item(),
                train_accuracy=100 * sum(underway.right) / len(train),
                test_accuracy=evaluate(model, test, precision=precision),
                seconds=underway.seconds,
                **measure_layers(layers),
            )
            underway = Underway()
            epochs_so_far.append(epoch)
            bar.set_postfix_str(
                f"loss {epoch.loss:.3f}, accuracy {epoch.train_accuracy:.1f} % in training, "
                f"{epoch.test_accuracy:.1f} % in test"
            )
            save()
    return epochs_so_far


def evaluate(model: nn.Module, images: Images, *, precision: str = "float32") -> float:
    """Share of images whose highest score is that of their label, in per cent.

    The model is put into evaluation mode for the while; the images have to be on its device.

    Args:
        model: a classifier, as for :func:`convsim.training.fit`.
        images: what it is tested on.
        precision: as for :func:`convsim.training.fit`.

    Returns:
        A number from 0 to 100.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=device)
    with torch.inference_mode(), _kernels(device, tf32=precision == "tf32"):
        for batch, labels in images.batches(EVALUATED_AT_ONCE):
            with _autocast(device, precision):
                scores = model(batch)
            right += (scores.argmax(1) == labels).sum()
    model.train(was_training)
    return 100 * right.item() / len(images)


def _train(
    model: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    layers: Sequence[tuple[str, Convolution]],
    beta: float,
    precision: str,
    underway: Underway,
    bar: tqdm,
    stop: Callable[[], bool] | None,
) -> bool:
    """The rest of an epoch, noted in ``underway``; whether it came to its end."""
    started = time.perf_counter()
    model.train()
    # They stay on the device: asking for a number after every step would make a GPU wait.
    losses, right = [], []
    whole = True
    for batch, labels in batches:
        # Only the forward pass: a backward pass under autocast gave wrong gradients on a CPU.
        with _autocast(batch.device, precision):
            scores = model(batch)
        loss = nn.functional.cross_entropy(scores.float(), labels)
        losses.append(loss.detach())
        right.append((scores.argmax(1) == labels).sum())
        if beta:
            loss = loss + beta * _total_similarity(layers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.update()
        if stop is not None and stop():
            whole = False
            break
    if losses:
        underway.losses += torch.stack(losses).tolist()
        underway.right += torch.stack(right).tolist()
    underway.seconds += time.perf_counter() - started
    return whole


def _generator_state(device: torch.device) -> Tensor:
    """Of the generator that dropout draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_generator_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def _total_similarity(layers: Sequence[tuple[str, Convolution]]) -> Tensor:
    similarities = (
        convolutional_similarity(layer.weight, check_finite=False) for _, layer in layers
    )
    return torch.stack(list(similarities)).sum()


def _sgd(
    model: nn.Module, layers: Sequence[tuple[str, Convolution]], lr: float, weight_decay: float
) -> torch.optim.SGD:
    """SGD without momentum; weight decay, like L_CS, touches the convolutions' weights only."""
    weights: list[Tensor] = [layer.weight for _, layer in layers]
    held = set(map(id, weights))
    rest = [parameter for parameter in model.parameters() if id(parameter) not in held]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": weight_decay},
        {"params": rest},
    ]
    return torch.optim.SGD(groups, lr)


def _check_settings(*, epochs: int, device: torch.device, precision: str, **numbers: Any) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
    if precision == "tf32" and device.type != "cuda":
        raise ValueError(
            f"precision is 'tf32' on {device.type}; expected an NVIDIA GPU for it: choose float32 "
            "or bfloat16"
        )
    if epochs < 0 or numbers["batch_size"] < 1:
        raise ValueError(
            f"epochs is {epochs} and batch_size {numbers['batch_size']}; expected 0 or more, and "
            "1 or more"
        )
    for name in ("lr", "beta", "weight_decay"):
        if not (math.isfinite(numbers[name]) and numbers[name] >= 0):
            raise ValueError(f"{name} is {numbers[name]}; expected a finite number, 0 or more")


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextlib.contextmanager
def _kernels(device: torch.device, *, tf32: bool) -> Iterator[None]:
    """On a GPU, choose how it computes: TF32 or not, and the same numbers for the same seed."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    flags = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": tf32}
    try:
        with torch.backends.cudnn.flags(**flags):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
