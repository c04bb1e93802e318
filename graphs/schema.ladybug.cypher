// The graph, as node and relation tables of Ladybug.
// Every node and relation names the source it came from. Relations point from the specific to the general
// (child to parent, member to group), so that a path upwards follows the arrows.

CREATE NODE TABLE IF NOT EXISTS Gene(id STRING, symbol STRING, name STRING, type STRING, species STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE IF NOT EXISTS Alias(id STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE IF NOT EXISTS Protein(id STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE IF NOT EXISTS Term(id STRING, name STRING, namespace STRING, definition STRING, source STRING, PRIMARY KEY (id));
// status: alternative (an id merged into another term) or obsolete.
CREATE NODE TABLE IF NOT EXISTS RetiredTerm(id STRING, name STRING, namespace STRING, status STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE IF NOT EXISTS Subset(id STRING, name STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE IF NOT EXISTS GeneSet(id STRING, name STRING, source STRING, PRIMARY KEY (id));
// A heading of MeSH.
CREATE NODE TABLE IF NOT EXISTS Descriptor(id STRING, name STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE IF NOT EXISTS Pathway(id STRING, name STRING, source STRING, PRIMARY KEY (id));
// pfm: counts, one position after the other, each in the order A, C, G, T (4 x width numbers).
CREATE NODE TABLE IF NOT EXISTS Motif(id STRING, name STRING, family STRING, class STRING, species STRING, width INT64, pfm DOUBLE[], source STRING, PRIMARY KEY (id));
// rows: nodes and relations that the source brought.
CREATE NODE TABLE IF NOT EXISTS Source(id STRING, title STRING, release STRING, date STRING, licence STRING, url STRING, rows INT64, PRIMARY KEY (id));
// One row, written when a load is complete; a store without it is refused.
CREATE NODE TABLE IF NOT EXISTS Store(id STRING, schema INT64, PRIMARY KEY (id));

CREATE REL TABLE IF NOT EXISTS IS_A(FROM Term TO Term, source STRING);
CREATE REL TABLE IF NOT EXISTS PART_OF(FROM Term TO Term, source STRING);
CREATE REL TABLE IF NOT EXISTS REGULATES(FROM Term TO Term, source STRING);
CREATE REL TABLE IF NOT EXISTS POSITIVELY_REGULATES(FROM Term TO Term, source STRING);
CREATE REL TABLE IF NOT EXISTS NEGATIVELY_REGULATES(FROM Term TO Term, source STRING);
CREATE REL TABLE IF NOT EXISTS ANNOTATED_TO(FROM Gene TO Term, evidence STRING, source STRING);
CREATE REL TABLE IF NOT EXISTS REPLACED_BY(FROM RetiredTerm TO Term, source STRING);
CREATE REL TABLE IF NOT EXISTS IN_SUBSET(FROM Term TO Subset, source STRING);
CREATE REL TABLE IF NOT EXISTS MEMBER_OF(FROM Gene TO GeneSet, source STRING);
CREATE REL TABLE IF NOT EXISTS BROADER(FROM Descriptor TO Descriptor, source STRING);
CREATE REL TABLE IF NOT EXISTS SUBPATHWAY_OF(FROM Pathway TO Pathway, source STRING);
CREATE REL TABLE IF NOT EXISTS PARTICIPATES_IN(FROM Protein TO Pathway, evidence STRING, source STRING);
CREATE REL TABLE IF NOT EXISTS ENCODES(FROM Gene TO Protein, source STRING);
CREATE REL TABLE IF NOT EXISTS ALIAS_OF(FROM Alias TO Gene, source STRING);
CREATE REL TABLE IF NOT EXISTS HAS_MOTIF(FROM Protein TO Motif, source STRING);

// Networks, regulation and identifiers.
// The name that STRING prefers for a protein.
CREATE NODE TABLE IF NOT EXISTS ProteinName(id STRING, source STRING, PRIMARY KEY (id));
// kind: one of kgreg.sources.identifiers.KINDS; id is "<kind>:<value>".
CREATE NODE TABLE IF NOT EXISTS Identifier(id STRING, value STRING, kind STRING, source STRING, PRIMARY KEY (id));
CREATE REL TABLE IF NOT EXISTS NAME_OF(FROM ProteinName TO Protein, source STRING);
CREATE REL TABLE IF NOT EXISTS IDENTIFIES(FROM Identifier TO Gene, source STRING);
CREATE REL TABLE IF NOT EXISTS IN_PATHWAY(FROM Gene TO Pathway, evidence STRING, source STRING);
// Once a pair, from < to. Scores from 0 to 1000; a channel that the file does not give is null.
CREATE REL TABLE IF NOT EXISTS INTERACTS_WITH(FROM Protein TO Protein, score INT16, neighborhood INT16, fusion INT16, cooccurrence INT16, coexpression INT16, experimental INT16, database INT16, textmining INT16, source STRING);
// Once a pair and kind of evidence, from < to.
CREATE REL TABLE IF NOT EXISTS INTERACTS(FROM Gene TO Gene, score DOUBLE, evidence STRING, source STRING);
// From a transcription factor to its target; sign: 1 activates, -1 represses, 0 not known.
CREATE REL TABLE IF NOT EXISTS TARGETS(FROM Gene TO Gene, sign INT64, weight DOUBLE, confidence STRING, source STRING);

// Runs that were written back into the graph, and how they scored its nodes.
CREATE NODE TABLE IF NOT EXISTS Run(id STRING, title STRING, started STRING, label STRING, seed INT64, metric STRING, value DOUBLE, low DOUBLE, high DOUBLE, verdict STRING, source STRING, PRIMARY KEY (id));
CREATE REL TABLE IF NOT EXISTS SCORED(FROM Run TO Gene, FROM Run TO Term, FROM Run TO Pathway, output STRING, score DOUBLE, low DOUBLE, high DOUBLE, n INT64, rank INT64, z DOUBLE, q DOUBLE, source STRING);
// kind: subtypes of KEGG, joined with "; "; sign as above.
CREATE REL TABLE IF NOT EXISTS SIGNALS(FROM Gene TO Gene, sign INT64, kind STRING, source STRING);
CREATE REL TABLE IF NOT EXISTS ORTHOLOG_OF(FROM Gene TO Gene, source STRING);
