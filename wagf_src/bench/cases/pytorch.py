"""torchvision's networks, trained as PyTorch's own examples do: eager, channels last; compiled if the case says so."""

import torch
import torchvision

from wagf_src.arms import parse_arm
from wagf_src.bench.images import FEW, profile
from wagf_src.bench.worker import timed
from wagf_src.classes import CLASSES
from wagf_src.data import dataset


def network(case: dict):
    """The backbone of an arm (``arm``) with torchvision's own head, random weights, Adam; ``compiled``: torch.compile.

    The images are those that ``cases.network`` is given with ``photographs``: bytes that lie on the device, looked up
    and brought to [-1, 1] in each step.
    """
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    p = profile(case, **FEW)
    data = dataset.load(p)
    pixels = torch.tensor(data.images, device=device).permute(0, 3, 1, 2)  # in memory, the channels stay last
    labels = torch.tensor(data.labels, device=device)
    wanted = parse_arm(case["arm"]).backbone
    [name] = (n for n in torchvision.models.list_models(torchvision.models) if n.replace("_", "") == wanted)
    model = torchvision.models.get_model(name, weights=None, num_classes=len(CLASSES))
    model = model.to(device, memory_format=torch.channels_last)
    forward = torch.compile(model) if case.get("compiled") else model
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

    def batches(images):
        for rows in torch.split(torch.arange(images, device=device) % len(pixels), p.batch_size):
            yield pixels[rows].float() / 127.5 - 1, labels[rows]

    def train(images):
        model.train()
        total = torch.zeros((), device=device)
        for x, y in batches(images):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(forward(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item()  # what is still on its way on a GPU has ended

    @torch.inference_mode()
    def predict(images):
        model.eval()
        return torch.cat([forward(x).softmax(1) for x, _ in batches(images)]).cpu()

    return lambda what, images: timed(lambda: {"train": train, "predict": predict}[what](images), images)
