"""The sparse autoencoder in PyTorch, as one would write it there: autograd, its optimisers, its own threads."""

import time

import numpy as np
import torch


def tensors(X, coefs, intercepts):
    """X, and [W_1, W_2, b_1, b_2], which record gradients, as copies."""
    parameters = [torch.tensor(np.array(array), requires_grad=True) for array in (*coefs, *intercepts)]
    return torch.from_numpy(X), parameters


def objective(X, parameters, rho, beta, lam):
    """J of the rows X."""
    W1, W2, b1, b2 = parameters
    A = torch.sigmoid(torch.addmm(b1, X, W1))
    R = torch.addmm(b2, A, W2) - X
    rho_hat = A.mean(0)
    kl = rho * torch.log(rho / rho_hat) + (1 - rho) * torch.log((1 - rho) / (1 - rho_hat))
    decay = (W1**2).sum() + (W2**2).sum()
    return 0.5 * (R * R).sum() / len(X) + 0.5 * lam * decay + beta * kl.sum()


def value_and_grad(X, parameters, *hyperparameters, function=objective):
    """J, with its gradient left in the parameters."""
    for parameter in parameters:
        parameter.grad = None
    value = function(X, parameters, *hyperparameters)
    value.backward()
    return value.item()


class Adam:
    """Fused Adam with a step that falls linearly to zero over a number of epochs."""

    def __init__(self, X, parameters, hyperparameters, *, batch_size, step_size, n_epochs):
        self.X, self.parameters, self.hyperparameters = X, parameters, hyperparameters
        self.batch_size = batch_size
        self.optimizer = torch.optim.Adam(parameters, lr=step_size, fused=True)
        n_steps = n_epochs * -(-len(X) // batch_size)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: max(0.0, 1 - step / n_steps))

    def epoch(self):
        order = torch.randperm(len(self.X))
        for start in range(0, len(order), self.batch_size):
            self.optimizer.zero_grad(set_to_none=True)
            objective(self.X[order[start : start + self.batch_size]], self.parameters, *self.hyperparameters).backward()
            self.optimizer.step()
            self.schedule.step()


def lbfgs_trace(X, parameters, hyperparameters, seconds):
    """(seconds, J) after every iteration of PyTorch's L-BFGS with its strong Wolfe line search."""
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=1, history_size=10, line_search_fn="strong_wolfe", tolerance_grad=0, tolerance_change=0
    )
    trace, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds:
        optimizer.step(lambda: torch.tensor(value_and_grad(X, parameters, *hyperparameters)))
        value = optimizer.state[parameters[0]]["prev_loss"]
        trace.append((time.perf_counter() - start, float(value)))
    return trace
