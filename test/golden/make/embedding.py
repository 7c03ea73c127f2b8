"""Losses over vectors with their gradients, rankings and correlations, as sentence-transformers, PyTorch and scipy compute them.

Run in this folder with torch, sentence-transformers and scipy (made with 2.13.0, 6.2.0, 1.17.1): python embedding.py
"""
import json
from pathlib import Path

import numpy
import scipy.stats
import sentence_transformers
import torch
from sentence_transformers.evaluation import InformationRetrievalEvaluator
from sentence_transformers.losses import CoSENTLoss, CosineSimilarityLoss, MatryoshkaLoss, MultipleNegativesRankingLoss

OUT = Path(__file__).parent.parent / "embedding" / "embedding.json"
ROWS, WIDTH = 5, 8


class Given(torch.nn.Module):
    """A model whose vectors are its input."""

    def get_embedding_dimension(self):
        return WIDTH

    def forward(self, features):
        return {"sentence_embedding": features["vectors"]}


def losses(generator):
    triplets = torch.randn(3, ROWS, WIDTH, generator=generator, dtype=torch.float64)
    scores = torch.rand(ROWS, generator=generator, dtype=torch.float64)
    scores[1] = scores[0]  # equal scores ask for nothing
    model, whole = Given(), Given()
    ranking = MultipleNegativesRankingLoss(whole)
    cases = {
        "pairs": (2, MultipleNegativesRankingLoss(model), {"temperature": 0.05}),
        "triplets": (3, MultipleNegativesRankingLoss(model, scale=5.0), {"temperature": 0.2}),
        "nested": (2, MatryoshkaLoss(whole, ranking, [8, 4, 2]), {"temperature": 0.05, "sizes": [8, 4, 2]}),
        "cosent": (2, CoSENTLoss(model), {"temperature": 0.05}),
        "cosine": (2, CosineSimilarityLoss(model), {}),
    }
    made = {}
    for name, (texts, loss, options) in cases.items():
        vectors = triplets[:texts].clone().requires_grad_()
        value = loss([{"vectors": vectors[i]} for i in range(texts)], scores)
        value.backward()
        made[name] = {"texts": texts, **options, "loss": value.item(), "gradient": vectors.grad.flatten().tolist()}
    return {"vectors": triplets.flatten().tolist(), "scores": scores.tolist(), "cases": made}


class Vectors(torch.nn.Module):
    """Texts are numbers of rows of a matrix."""

    similarity_fn_name = None

    def __init__(self, vectors):
        super().__init__()
        self.vectors = vectors


def rankings(generator):
    """Anchors and texts of which several rows share some."""
    rows = [[f"a{i}", f"t{i}"] for i in range(30)] + [["a0", "t3"], ["a0", "t7"], ["a5", "t1"], ["a9", "t9"], ["b", "t2"]]
    anchors = list(dict.fromkeys(row[0] for row in rows))
    texts = list(dict.fromkeys(row[1] for row in rows))
    vectors = {name: torch.randn(4, generator=generator) for name in anchors + texts}
    for i in range(30):  # near enough that some are found
        vectors[f"t{i}"] = vectors[f"a{i}"] + 1.2 * torch.randn(4, generator=generator)
    evaluator = InformationRetrievalEvaluator(
        queries={name: name for name in anchors}, corpus={name: name for name in texts},
        relevant_docs={anchor: {text for own, text in rows if own == anchor} for anchor in anchors},
        precision_recall_at_k=[1, 10], mrr_at_k=[10], ndcg_at_k=[10], accuracy_at_k=[1], map_at_k=[10],
        score_functions={"cos": sentence_transformers.util.cos_sim})
    evaluator.embed_inputs = lambda model, sentences, **_: torch.stack([vectors[one] for one in sentences])
    scores = evaluator.compute_metrices(Vectors(None))["cos"]
    return {
        "rows": rows, "vectors": {name: vector.tolist() for name, vector in vectors.items()},
        "recallAt1": scores["recall@k"][1], "recallAt10": scores["recall@k"][10],
        "mrrAt10": scores["mrr@k"][10], "ndcgAt10": scores["ndcg@k"][10],
    }


def correlations():
    random = numpy.random.default_rng(0)
    x = random.normal(size=40).round(1)
    y = (x + random.normal(size=40)).round(0)  # with ties
    return {"x": x.tolist(), "y": y.tolist(), "pearson": scipy.stats.pearsonr(x, y)[0], "spearman": scipy.stats.spearmanr(x, y)[0]}


def main():
    generator = torch.Generator().manual_seed(0)
    made = {"losses": losses(generator), "ranking": rankings(generator), "correlation": correlations()}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(made) + "\n")
    print(f"{OUT.name}: {OUT.stat().st_size} bytes", {k: v["loss"] for k, v in made["losses"]["cases"].items()})


main()
