"""Algorithm 2 of Belmekki et al. (2024): training with Convolutional Similarity in the loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from convsim.data import Images
from convsim.layers import convolutional_layers
from convsim.training.arithmetic import (
    autocast,
    epoch_seed,
    forked_generators,
    generator_state,
    kernels,
    set_generator_state,
)
from convsim.training.checkpoint import Underway, load_checkpoint, save_checkpoint
from convsim.training.decorrelation import outputs_of
from convsim.training.evaluation import evaluate
from convsim.training.history import (
    Epoch,
    Stopped,
    check_finite,
    measure_layers,
)
from convsim.training.inputs import check_training
from convsim.training.optimizers import make_optimizer
from convsim.training.scores import check_scores
from convsim.training.terms import added_terms

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
    beta_follows_loss: bool = False,
    decorrelation: float = 0.0,
    penalty: str | None = None,
    strength: float = 0.0,
    optimizer: str = "SGD",
    held_out: Images | None = None,
    seed: int = 0,
    precision: str = "float32",
    checkpoint: Path | None = None,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> list[Epoch]:
    r"""Train a classifier on its cross-entropy plus :math:`\beta \sum L_{CS}`, in place.

    With ``beta`` above 0 this is the paper's Algorithm 2, with 0 plain training; the defaults are
    the paper's. Model and images stay on the model's device, the weights in channels-last order.
    A weight that several layers share is one parameter, and makes one step.

    First the model runs on a few images of each set, in evaluation mode, and is left as it was.
    Every epoch then puts it into training mode, with all of its submodules: frozen ones too, such
    as a batch normalisation that was in evaluation mode. It is left so; without an epoch to train,
    modes stay as they were.

    An epoch's shuffle depends on ``seed`` and its number alone, so that a run that was stopped
    continues from its checkpoint to the same numbers.

    Args:
        model: takes ``(B, 3, H, W)`` float32 images, gives ``(B, classes)`` scores.
        train: training images.
        test: images to evaluate on after each epoch.
        epochs: number of passes.
        lr: learning rate.
        batch_size: images a step.
        beta: weight of the sum of L_CS over the convolutional layers in the loss.
        beta_follows_loss: multiply ``beta`` by the batch's cross-entropy, as a share of that of a
            guess, log(classes): the paper's proposal against oscillations.
        weight_decay: the same for ½ ‖w‖² of the convolutional layers' weights, through SGD.
        decorrelation: the same for the mean squared correlation between the layers' feature maps,
            :func:`convsim.training.decorrelation.mean_squared_correlation`.
        penalty: a key of ``convsim.penalties.OF_WEIGHTS``, such as ``"OCNN"``, or None.
        strength: the weight of its sum over the convolutional layers in the loss.
        optimizer: ``"SGD"``, without momentum; ``"momentum"``, SGD with one of 0.9; ``"Adam"``; or
            ``"SGDP"``, :class:`convsim.training.optimizers.SGDP` with that momentum.
        held_out: images, not among ``train``, to evaluate on as well after each epoch: by them an
            epoch can be chosen without a look at ``test``.
        seed: seed of the shuffles, and of dropout if there is any.
        precision: ``"float32"``; ``"tf32"``, on a GPU only; or ``"bfloat16"``, autocast, with
            weights and L_CS in float32.
        checkpoint: a safetensors file, written after every epoch and continued from if it is
            there.
        progress: show a progress bar.
        stop: asked after every step; once it says yes, the checkpoint is written and the run left.
        on_step: called with the number of steps made so far: before the first, and after each.

    Returns:
        A list with one :class:`convsim.training.history.Epoch` an epoch, those before a stop
        included.

    Raises:
        ValueError: for settings out of range, a checkpoint that is damaged or of another run,
            images that are not as :class:`convsim.data.Images` has them, or a model that cannot
            be trained on them.
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
    settings: dict[str, Any] = {"lr": lr, "batch_size": batch_size, "beta": beta}
    settings |= {"weight_decay": weight_decay, "decorrelation": decorrelation}
    settings |= {"penalty": penalty, "strength": strength, "optimizer": optimizer}
    settings |= {"beta_follows_loss": beta_follows_loss}
    settings |= {"seed": seed, "precision": precision}
    sets = {"train": train, "test": test}
    sets |= {} if held_out is None else {"held_out": held_out}
    check_training(model, sets, checkpoint, settings | {"epochs": epochs})
    settings |= {"data": train.source, "images": len(train), "loop": LOOP}
    settings |= {"held_out": 0 if held_out is None else len(held_out)}
    device = next(model.parameters()).device
    watched = test.to(device), None if held_out is None else held_out.to(device)
    run = _Run(model, train.to(device), *watched, settings, checkpoint, stop)
    if len(run.epochs) > epochs:
        raise ValueError(
            f"{checkpoint} holds {len(run.epochs)} epochs; expected {epochs} at the most: ask for "
            "more epochs, or delete it to start again"
        )
    steps = math.ceil(len(train) / batch_size)
    made = len(run.epochs) * steps + len(run.underway.losses)

    def note_step() -> None:
        nonlocal made
        made += 1
        bar.update()
        if on_step is not None:
            on_step(made)

    if on_step is not None:
        on_step(made)
    with (
        forked_generators(device),
        tqdm(
            total=epochs * steps,
            initial=made,
            unit="step",
            disable=not progress,
        ) as bar,
    ):
        while len(run.epochs) < epochs:
            number = len(run.epochs) + 1
            bar.set_description(f"epoch {number} of {epochs}")
            if not run.train_epoch(number, note_step):
                raise Stopped(f"stopped in epoch {number} of {epochs}")
            epoch = run.end_epoch(number)
            bar.set_postfix_str(
                f"loss {epoch.loss:.3f}, accuracy {epoch.train_accuracy:.1f} % in training, "
                f"{epoch.test_accuracy:.1f} % in test"
            )
    return run.epochs


class _Run:
    """One call of :func:`fit`: what is trained, with what, and how far it is."""

    def __init__(
        self,
        model: nn.Module,
        train: Images,
        test: Images,
        held_out: Images | None,
        settings: dict[str, Any],
        checkpoint: Path | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self.model, self.train, self.settings = model, train, settings
        self.test, self.held_out = test, held_out
        self.checkpoint, self.stop = checkpoint, stop
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,unused-ignore]
        self.layers = convolutional_layers(model)
        rates = settings["lr"], settings["weight_decay"]
        self.optimizer = make_optimizer(settings["optimizer"], model, self.layers, *rates)
        self.epochs, self.underway = (
            load_checkpoint(checkpoint, model, settings, self.optimizer)
            if checkpoint
            else ([], Underway())
        )
        device, state = train.pixels.device, self.underway.generator
        if state is not None and state.shape != generator_state(device).shape:
            raise ValueError(
                f"{checkpoint} was left within an epoch on another kind of device; expected random "
                f"numbers of {device.type}: go on with it where it was begun, or delete it"
            )

    def train_epoch(self, number: int, note_step: Callable[[], object]) -> bool:
        """Train for the rest of an epoch; whether it came to its end."""
        device, settings, underway = self.train.pixels.device, self.settings, self.underway
        torch.manual_seed(epoch_seed(settings["seed"], number))
        order = torch.randperm(len(self.train), device=device)
        if underway.generator is not None:
            set_generator_state(device, underway.generator)
        done = len(underway.losses) * settings["batch_size"]
        started = time.perf_counter()
        self.model.train()
        # They stay on the device: asking for a number after every step would make a GPU wait.
        losses, right = [], []
        whole = True
        watched = self.layers if settings["decorrelation"] else ()
        with (
            kernels(device, tf32=settings["precision"] == "tf32"),
            outputs_of(watched) as outputs,
        ):
            for batch, labels in self.train.batches(settings["batch_size"], order[done:]):
                loss, hits = self._step(batch, labels, outputs)
                losses.append(loss)
                right.append(hits)
                note_step()
                if self.stop is not None and self.stop():
                    whole = False
                    break
        if losses:
            underway.losses += torch.stack(losses).tolist()
            underway.right += torch.stack(right).tolist()
        underway.seconds += time.perf_counter() - started
        if not whole:
            # L_CS, which may be too large and shrink again, is looked at when the epoch is over.
            check_finite(torch.tensor(underway.losses), self.model, (), number)
            underway.generator = generator_state(device)
            self._save(underway)
        return whole

    def _step(self, batch: Tensor, labels: Tensor, outputs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """One step; its cross-entropy, and how many images were classified rightly."""
        # Only the forward pass: a backward pass under autocast gave wrong gradients on a CPU.
        with autocast(batch.device, self.settings["precision"]):
            scores = self.model(batch)
        # Some networks give more in training than in evaluation.
        check_scores(scores, len(batch), "train", len(self.train.classes))
        cross_entropy = nn.functional.cross_entropy(scores.float(), labels)
        share = cross_entropy.detach() / math.log(scores.shape[1])
        terms = added_terms(self.layers, outputs, self.settings, share)
        loss = cross_entropy if terms is None else cross_entropy + terms
        outputs.clear()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return cross_entropy.detach(), (scores.argmax(1) == labels).sum()

    def end_epoch(self, number: int) -> Epoch:
        """Measure the network, and save it, once an epoch is over."""
        loss = torch.tensor(self.underway.losses)
        check_finite(loss, self.model, self.layers, number)
        epoch = Epoch(
            epoch=number,
            loss=loss.mean().item(),
            train_accuracy=100 * sum(self.underway.right) / len(self.train),
            test_accuracy=self._accuracy(self.test),
            seconds=self.underway.seconds,
            held_out_accuracy=None if self.held_out is None else self._accuracy(self.held_out),
            **measure_layers(self.layers),
        )
        self.underway = Underway()
        self.epochs.append(epoch)
        self._save()
        return epoch

    def _accuracy(self, images: Images) -> float:
        return evaluate(self.model, images, precision=self.settings["precision"])

    def _save(self, underway: Underway | None = None) -> None:
        if self.checkpoint:
            given = self.model, self.settings, self.epochs
            save_checkpoint(self.checkpoint, *given, underway, self.optimizer)
