// The genes that take part in a pathway of Reactome, directly or through their proteins; not those of pathways below.
// evidence_excluded is a list of evidence codes, such as IEA.
// The source is asked of the relation: of the pathway, at the far end of this pattern, Ladybug 0.22 answers wrongly.
// parameters: evidence_excluded
// columns: gene, term, evidence
MATCH (g:Gene)-[:ENCODES]->(:Protein)-[m:PARTICIPATES_IN]->(p:Pathway)
WHERE m.source = 'reactome' AND NOT m.evidence IN $evidence_excluded
RETURN DISTINCT g.id AS gene, p.id AS term, m.evidence AS evidence
UNION
MATCH (g:Gene)-[m:IN_PATHWAY]->(p:Pathway)
WHERE m.source = 'reactome' AND NOT coalesce(m.evidence, '') IN $evidence_excluded
RETURN DISTINCT g.id AS gene, p.id AS term, coalesce(m.evidence, '') AS evidence
