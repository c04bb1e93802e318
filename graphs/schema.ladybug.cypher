// The graph, as node and relation tables of Ladybug.
// Every node and relation names the source it came from. Relations point from the specific to the general
// (child to parent, member to group), so that a path upwards follows the arrows.

CREATE NODE TABLE Gene(id STRING, symbol STRING, name STRING, type STRING, species STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE Alias(id STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE Protein(id STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE Term(id STRING, name STRING, namespace STRING, definition STRING, source STRING, PRIMARY KEY (id));
CREATE NODE TABLE Pathway(id STRING, name STRING, source STRING, PRIMARY KEY (id));
// pfm: counts, one position after the other, each in the order A, C, G, T (4 x width numbers).
CREATE NODE TABLE Motif(id STRING, name STRING, family STRING, class STRING, width INT64, pfm DOUBLE[], source STRING, PRIMARY KEY (id));
// rows: nodes and relations that the source brought.
CREATE NODE TABLE Source(id STRING, title STRING, release STRING, date STRING, licence STRING, url STRING, rows INT64, PRIMARY KEY (id));
// One row, written when a load is complete; a store without it is refused.
CREATE NODE TABLE Store(id STRING, schema INT64, PRIMARY KEY (id));

CREATE REL TABLE IS_A(FROM Term TO Term, source STRING);
CREATE REL TABLE PART_OF(FROM Term TO Term, source STRING);
CREATE REL TABLE REGULATES(FROM Term TO Term, source STRING);
CREATE REL TABLE POSITIVELY_REGULATES(FROM Term TO Term, source STRING);
CREATE REL TABLE NEGATIVELY_REGULATES(FROM Term TO Term, source STRING);
CREATE REL TABLE ANNOTATED_TO(FROM Gene TO Term, evidence STRING, source STRING);
CREATE REL TABLE SUBPATHWAY_OF(FROM Pathway TO Pathway, source STRING);
CREATE REL TABLE PARTICIPATES_IN(FROM Protein TO Pathway, evidence STRING, source STRING);
CREATE REL TABLE ENCODES(FROM Gene TO Protein, source STRING);
CREATE REL TABLE ALIAS_OF(FROM Alias TO Gene, source STRING);
CREATE REL TABLE HAS_MOTIF(FROM Protein TO Motif, source STRING);
