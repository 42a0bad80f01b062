"""The sparse autoencoder in PyTorch, as one would write it there: autograd, its optimisers, its own threads."""

import time

import torch

ACTIVATIONS = {"identity": lambda z: z, "logistic": torch.sigmoid, "relu": torch.relu}


def tensors(X, coefs, intercepts):
    """X, and [W_1, ..., W_L, b_1, ..., b_L], which record gradients, as copies; all of them on the device of X."""
    parameters = [torch.as_tensor(array).clone().requires_grad_() for array in (*coefs, *intercepts)]
    return torch.as_tensor(X), parameters


def objective(X, parameters, activations, rho, beta, lam, of_code=None):
    """J of the rows X; the KL term is that of logistic layers, lam = 0 leaves out the weight decay.

    ``of_code`` is a term of the code, the output of the middle layer, to be added.
    """
    n_layers = len(activations)
    coefs, intercepts = parameters[:n_layers], parameters[n_layers:]
    output, value = X, 0.0
    for layer, (W, b, name) in enumerate(zip(coefs, intercepts, activations), 1):
        output = ACTIVATIONS[name](torch.addmm(b, output, W))
        if name == "logistic" and beta > 0:
            rho_hat = output.mean(0)
            kl = rho * torch.log(rho / rho_hat) + (1 - rho) * torch.log((1 - rho) / (1 - rho_hat))
            value = value + beta * kl.sum()
        if layer == n_layers // 2 and of_code is not None:
            value = value + of_code(output)
    R = output - X
    if lam > 0:
        value = value + 0.5 * lam * sum((W**2).sum() for W in coefs)
    return value + 0.5 * (R * R).sum() / len(X)


def neighbor_term(code, weight, unit, group_size):
    """The neighbour term of J: rows of a group are drawn together, and all rows of the batch apart."""
    Z = code / unit
    squares = (Z * Z).sum(1)
    phi = 1 / (1 + torch.addmm(squares[:, None] + squares, Z, Z.T, alpha=-2).clamp_min(0))
    repulsion = torch.log(phi.sum(1) - phi.diagonal())
    groups = Z.view(-1, group_size, Z.shape[1])
    distances = (groups[:, :, None] - groups[:, None]).square().sum(3)
    attraction = torch.log1p(distances).sum() / (group_size - 1)
    return weight * (repulsion.sum() + attraction) / len(Z)


def clustering_term(code, centers, targets, weight, unit):
    """weight times the mean divergence of soft assignments to the centres, in units, from their targets."""
    squares = torch.cdist(code / unit, centers).square()
    log_q = torch.log_softmax(-torch.log1p(squares), dim=1)
    return weight * (torch.xlogy(targets, targets) - targets * log_q).sum() / len(code)


def value_and_grad(function, X, parameters, *hyperparameters):
    """The value of a function as `objective`, with its gradient left in the parameters."""
    for parameter in parameters:
        parameter.grad = None
    value = function(X, parameters, *hyperparameters)
    value.backward()
    return value.item()


class Adam:
    """Fused Adam with a step that falls linearly to zero over a number of epochs.

    With ``decay_in_optimizer=True`` the gradient of the weight decay is added by the optimiser, not by autograd.
    """

    def __init__(
        self, function, X, parameters, hyperparameters, *, batch_size, step_size, n_epochs, decay_in_optimizer=False
    ):
        rho, beta, lam = hyperparameters
        self.function, self.X, self.parameters = function, X, parameters
        self.hyperparameters = (rho, beta, 0.0) if decay_in_optimizer else hyperparameters
        self.batch_size = batch_size
        coefs = [parameter for parameter in parameters if parameter.ndim == 2]
        intercepts = [parameter for parameter in parameters if parameter.ndim == 1]
        groups = [{"params": coefs, "weight_decay": lam if decay_in_optimizer else 0.0}, {"params": intercepts}]
        self.optimizer = torch.optim.Adam(groups, lr=step_size, fused=True)
        n_steps = n_epochs * -(-len(X) // batch_size)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: max(0.0, 1 - step / n_steps))

    def epoch(self, batches=None):
        """Steps on batches, given as tensors of row numbers, or on new ones."""
        if batches is None:
            batches = torch.randperm(len(self.X), device=self.X.device).split(self.batch_size)
        for rows in batches:
            self.optimizer.zero_grad(set_to_none=True)
            self.function(self.X[rows], self.parameters, *self.hyperparameters).backward()
            self.optimizer.step()
            self.schedule.step()


def lbfgs_trace(function, X, parameters, hyperparameters, seconds):
    """(seconds, J) after every iteration of PyTorch's L-BFGS with its strong Wolfe line search."""
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=1, history_size=10, line_search_fn="strong_wolfe", tolerance_grad=0, tolerance_change=0
    )
    trace, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds:
        optimizer.step(lambda: torch.tensor(value_and_grad(function, X, parameters, *hyperparameters)))
        value = optimizer.state[parameters[0]]["prev_loss"]
        trace.append((time.perf_counter() - start, float(value)))
    return trace
