"""All claims, in the order of docs/articles.md. A claim is added with one import and one place in CLAIMS."""

from benchmarks.articles.claim import Claim

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in ()}
