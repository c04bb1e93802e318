"""Direct Gene Ontology annotations of genes, with evidence codes (http://geneontology.org/docs/guide-go-evidence-codes)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from kgreg.sources import genes
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.gaf import Annotation, read_annotations
from kgreg.sources.obo import read_obo
from kgreg.sources.official import Files, Official, OfficialFile, taxon_of
from kgreg.sources.snapshot import manifest_provenance, read_table
from kgreg.sources.text_table import text_table

NAME = "goa_human"

_HUMAN = 9606
# Taxon -> what the property ``species`` of a gene says.
_SPECIES = {_HUMAN: genes.SPECIES, 10090: "Mus musculus", 559292: "Saccharomyces cerevisiae"}


def provenance() -> Provenance:
    """Return where the bundled annotations came from."""
    return manifest_provenance(NAME)


def read() -> SourceTables:
    """Return ``ANNOTATED_TO`` from genes to terms; nothing is propagated to ancestors."""
    annotations = read_table(NAME, "annotations").select(["gene", "term", "evidence"])
    annotations = with_constant(annotations.rename_columns(["from", "to", "evidence"]), "source", NAME)
    return SourceTables({}, {"ANNOTATED_TO": annotations}, provenance())


def read_official(
    files: Files,
    *,
    species: str = "human",
    release: str | None = None,
    genes_of: Mapping[str, Sequence[str]] | None = None,
) -> SourceTables:
    """Read annotations from a GAF or GPAD file.

    Parameters
    ----------
    files
        ``annotations``: GAF 2, GPAD 1 or GPAD 2. ``ontology`` (optional): the OBO file of the terms; alternative ids
        are then replaced by their terms, and annotations to terms that it lacks or calls obsolete left out.
    species
        ``human``, ``mouse``, ``yeast`` or an NCBI taxon; annotations of others are left out. The source is called
        ``goa_<species>``.
    release
        Used if the file does not say when it was generated.
    genes_of
        Gene product -> ids of its genes. Gene products are looked up as ``UniProtKB:P04637``, then ``P04637``. Without
        it, those of the bundled human genes serve for human; for other species the file's own gene products become
        ``Gene`` nodes.

    Returns
    -------
    SourceTables
        ``ANNOTATED_TO`` from genes to terms, not propagated to ancestors, each (gene, term, evidence) once; ``Gene``
        nodes where the genes are the file's own. Gene products without a gene are counted by database in ``dropped``.

    Raises
    ------
    SourceError
        As :func:`kgreg.sources.gaf.read_annotations` and :func:`kgreg.sources.obo.read_obo`, and if the species is
        not known.
    """
    taxon = taxon_of(species)
    if genes_of is None and taxon == _HUMAN:
        genes_of = _bundled_genes()
    terms = _known_terms(files)
    source = f"goa_{species}"
    reader = read_annotations(files["annotations"], taxon)
    lost: Counter[str] = Counter()
    own: dict[str, tuple[str, str, str, str, str]] = {}
    links: dict[tuple[str, str, str], None] = {}
    for annotation in reader:
        term = annotation.term if terms is None else terms.get(annotation.term)
        if term is None:
            lost["annotations to terms that the ontology lacks or calls obsolete"] += 1
            continue
        if genes_of is None:
            gene = _gene_id(annotation)
            own.setdefault(gene, _gene(gene, annotation, taxon))
            links[gene, term, annotation.evidence] = None
            continue
        found = _genes(annotation, genes_of)
        if not found:
            lost[f"annotations of {annotation.database} objects without a known gene"] += 1
        for gene in found:
            links[gene, term, annotation.evidence] = None
    annotations = with_constant(text_table(["from", "to", "evidence"], links), "source", source)
    nodes = {}
    if genes_of is None:
        table = text_table(["id", "symbol", "name", "type", "species"], own.values())
        nodes["Gene"] = with_constant(table, "source", source)
    return SourceTables(
        nodes,
        {"ANNOTATED_TO": annotations},
        Provenance(
            source=source,
            title=f"Gene Ontology annotations, {_SPECIES.get(taxon, f'taxon {taxon}')}",
            release=reader.date or release or "unknown",
            date=reader.date[:10],
            url="https://geneontology.org/docs/download-go-annotations",
            licence="CC BY 4.0",
            dropped=dict(reader.dropped + lost),
        ),
    )


def _bundled_genes() -> dict[str, list[str]]:
    proteins = read_table(genes.NAME, "proteins")
    found: dict[str, list[str]] = defaultdict(list)
    for protein, gene in zip(proteins["uniprot"].to_pylist(), proteins["gene"].to_pylist(), strict=True):
        found[protein].append(gene)
    return dict(found)


def _known_terms(files: Files) -> dict[str, str] | None:
    """Return id -> term that it stands for, of the terms and their alternative ids; None without an ontology."""
    if "ontology" not in files:
        return None
    live = [term for term in read_obo(files["ontology"]).terms.values() if not term.obsolete]
    return {other: term.id for term in live for other in term.alt_ids} | {term.id: term.id for term in live}


def _genes(annotation: Annotation, genes_of: Mapping[str, Sequence[str]]) -> Sequence[str]:
    object_id = annotation.object_id
    if annotation.database == "UniProtKB":  # GPAD names isoforms (P04637-2) and processed chains (P04637:PRO_...)
        object_id = object_id.partition("-")[0].partition(":")[0]
    return genes_of.get(f"{annotation.database}:{object_id}") or genes_of.get(object_id) or ()


def _gene_id(annotation: Annotation) -> str:
    prefix = f"{annotation.database}:"  # MGI repeats it in its ids
    return prefix + annotation.object_id.removeprefix(prefix)


def _gene(gene: str, annotation: Annotation, taxon: int) -> tuple[str, str, str, str, str]:
    species = _SPECIES.get(taxon, f"taxon:{taxon}")
    return gene, annotation.symbol or annotation.object_id, annotation.name, annotation.type, species


OFFICIAL = Official(
    files=(
        OfficialFile(
            "annotations",
            "annotations.gaf.gz",
            {
                "human": "https://current.geneontology.org/annotations/goa_human.gaf.gz",
                "mouse": "https://current.geneontology.org/annotations/mgi.gaf.gz",
                "yeast": "https://current.geneontology.org/annotations/sgd.gaf.gz",
            },
        ),
        OfficialFile(
            "ontology",
            "go-basic.obo",
            {"*": "https://current.geneontology.org/ontology/go-basic.obo"},
            required=False,
        ),
    ),
    read=read_official,
    options={"genes_of": None},
)
