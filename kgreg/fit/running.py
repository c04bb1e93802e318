"""The Lightning loop: silent, resumable, and stopped by Ctrl-C."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from kgreg.fit.best import Best
from kgreg.fit.checkpoints import SafetensorsIO, is_own
from kgreg.fit.settings import TrainSettings
from kgreg.fit.threads import limit_threads


def run_loop(
    module: L.LightningModule,
    batches: Any,
    stop: Any,
    settings: TrainSettings,
    scratch: Path | None,
    best: Best,
) -> None:
    """Run the Lightning loop; ``best`` ends up with every network's best weights and history."""
    callbacks: list[Callback] = [best]
    resume = None
    if scratch is not None:
        callbacks.append(ModelCheckpoint(scratch, filename="last", enable_version_counter=False, every_n_epochs=1))
        last = scratch / "last.ckpt"
        resume = str(last) if last.is_file() and is_own(last, best.whose) else None
    with _quiet(), _interruptible(), limit_threads(settings.threads):
        trainer = L.Trainer(
            accelerator=settings.accelerator,
            devices=1,
            max_epochs=settings.max_epochs,
            callbacks=callbacks,
            plugins=[SafetensorsIO()],
            logger=False,
            enable_checkpointing=scratch is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        try:
            trainer.fit(module, batches, stop, ckpt_path=resume)
        except SystemExit:
            # Lightning turns Ctrl-C into an exit after cleaning up; callers expect the interrupt itself.
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise


@contextmanager
def _interruptible() -> Iterator[None]:
    """Give Ctrl-C back its meaning: Lightning ignores it for good once it has been pressed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's hints about loaders and sparse tensors' beta notice; errors pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
