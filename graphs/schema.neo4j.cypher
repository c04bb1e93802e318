// The graph on a Neo4j server: constraints and indexes; every statement may be repeated.
// Labels, relation types and properties are those of schema.ladybug.cypher. A unique id is what loading finds nodes by.

CREATE CONSTRAINT gene_id IF NOT EXISTS FOR (n:Gene) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT alias_id IF NOT EXISTS FOR (n:Alias) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT protein_id IF NOT EXISTS FOR (n:Protein) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT term_id IF NOT EXISTS FOR (n:Term) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT retiredterm_id IF NOT EXISTS FOR (n:RetiredTerm) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT subset_id IF NOT EXISTS FOR (n:Subset) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT geneset_id IF NOT EXISTS FOR (n:GeneSet) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT descriptor_id IF NOT EXISTS FOR (n:Descriptor) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT pathway_id IF NOT EXISTS FOR (n:Pathway) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT motif_id IF NOT EXISTS FOR (n:Motif) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT source_id IF NOT EXISTS FOR (n:Source) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT store_id IF NOT EXISTS FOR (n:Store) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT proteinname_id IF NOT EXISTS FOR (n:ProteinName) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT identifier_id IF NOT EXISTS FOR (n:Identifier) REQUIRE n.id IS UNIQUE;
CREATE CONSTRAINT run_id IF NOT EXISTS FOR (n:Run) REQUIRE n.id IS UNIQUE;
// One a source while it is being loaded; a graph that holds any is refused for reading.
CREATE CONSTRAINT load_id IF NOT EXISTS FOR (n:Load) REQUIRE n.id IS UNIQUE;

// What the named queries look nodes up by.
CREATE INDEX gene_symbol IF NOT EXISTS FOR (n:Gene) ON (n.symbol);
CREATE INDEX term_namespace IF NOT EXISTS FOR (n:Term) ON (n.namespace);
