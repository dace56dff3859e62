# SPDX-License-Identifier: GPL-2.0
#
# Read the tables of Documentation/device-interface.rst and print them as the
# facts that facts.sh prints of the header.  Strict: a table that is not known
# here, a row with the wrong number of cells, a value that is no number or a
# list table in another form ends it.
#
# What "facts.sh" can not know is printed too, for the test to use:
#	text TABLE|NAME|TEXT	the words in the last cell of a row

function bad(why) {
	printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0 >"/dev/stderr"
	failed = 1
	exit 1
}

function number(s,   i, v, c) {
	if (s ~ /^[0-9]+$/)
		return s + 0
	if (s !~ /^0x[0-9a-f]+$/)
		bad("no number")
	for (i = 3; i <= length(s); i++) {
		c = index("0123456789abcdef", substr(s, i, 1)) - 1
		v = v * 16 + c
	}
	return v
}

# Cells of a row or header into cell[], their count into cells.
function split_row(s) {
	cells = 0
	while (match(s, /^"[^"]*"/)) {
		cell[++cells] = substr(s, 2, RLENGTH - 2)
		s = substr(s, RLENGTH + 1)
		if (s == "")
			return
		if (s !~ /^, "/)
			bad("cells are not separated by comma and blank")
		s = substr(s, 3)
	}
	bad("not a row of quoted cells")
}

BEGIN {
	# Tables of names and values: title, prefix in the header.
	prefix["Roles"] = "OPI_ROLE_"
	prefix["Modes"] = "OPI_MODE_"
	prefix["Peer states"] = "OPI_PEER_"
	prefix["Health codes"] = "OPI_HEALTH_"
	prefix["Port types"] = "OPI_PORT_"
	prefix["Port flags"] = "OPI_PORT_F_"
	prefix["Function states"] = "OPI_FUNC_"
	prefix["Function classes"] = "OPI_CLASS_"
	prefix["Function flags"] = "OPI_FUNC_F_"
	prefix["Function fields"] = "OPI_FUNC_SET_"
	prefix["Function changes"] = "OPI_CHANGE_"
	prefix["Rate kinds"] = "OPI_RATE_"
	prefix["Police kinds"] = "OPI_POLICE_"
	prefix["Police units"] = "OPI_POLICE_"
	prefix["Migration states"] = "OPI_MIG_"
	prefix["Migration flags"] = "OPI_MIG_F_"
	prefix["Migration events"] = "OPI_MIG_EV_"
	prefix["Frame types"] = "OPI_MIG_FRAME_"
	prefix["Frame function flags"] = "OPI_MIG_FUNC_F_"
	prefix["Send flags"] = "OPI_TXD_F_"
	prefix["Segmentation types"] = "OPI_GSO_"
	prefix["Completion flags"] = "OPI_CQE_F_"
	prefix["Receive flags"] = "OPI_RX_F_"
	prefix["Hash types"] = "OPI_HASH_"
	prefix["Queue pair errors"] = "OPI_QP_ERR_"
	prefix["Events"] = "OPI_EV_"
	prefix["OS_STATUS"] = "OPI_OS_"
	prefix["PLDM boot states"] = "OPI_PLDM_"
	prefix["CRASHDUMP_STATUS"] = "OPI_DUMP_"
	prefix["Reset segments"] = "OPI_RESET_"
	prefix["Boot selections"] = "OPI_BOOT_"
	prefix["BARs"] = "OPI_BAR_"
	prefix["Registers (BAR 0)"] = "OPI_REG_"
	prefix["Doorbells (offset in a page of BAR 2)"] = "OPI_DB_"
	# And three whose values are made from the cells.
	other["Capabilities"]
	other["Commands"]
	other["Status codes"]
	other["PCI identity"]
	id_of["host PF"] = "PF"
	id_of["host VF"] = "VF"
	id_of["DPU function"] = "DPU"
}

/^\.\. csv-table:: / {
	title = substr($0, length(".. csv-table:: ") + 1)
	if (title in seen)
		bad("second table of this title")
	seen[title]
	struct = ""
	if (title ~ /^struct [a-z0-9_]+ \([0-9]+ bytes\)$/) {
		split(title, word, /[ ()]+/)
		struct = word[2]
		print "struct", struct, word[3]
	} else if (!(title in prefix) && !(title in other)) {
		bad("unknown table")
	}
	inside = 1
	want = 0
	next
}

/^\.\. (list-)?table::/ { bad("not a csv-table") }

inside && /^   :header: "/ {
	split_row(substr($0, length("   :header: ") + 1))
	want = cells
	next
}

inside && /^   "/ {
	if (!want)
		bad("row before the header")
	split_row(substr($0, 4))
	if (cells != want)
		bad("row has " cells " cells, the header " want)
	rows[title]++
	if (struct != "") {
		print "field", struct, cell[3], number(cell[1]), number(cell[2])
		print "text " struct "|" cell[3] "|" cell[4]
	} else if (title == "Commands") {
		print "cmd", cell[2], number(cell[1]), cell[3], cell[4], cell[5]
	} else if (title == "Status codes") {
		print "status", cell[2], number(cell[1])
	} else if (title == "Capabilities") {
		print "const", "OPI_CAP_" cell[2], 2 ^ number(cell[1])
	} else if (title == "PCI identity") {
		if (!(cell[1] in id_of))
			bad("unknown function")
		print "const", "OPI_PCI_VENDOR_ID", number(cell[2])
		print "const", "OPI_PCI_DEVICE_ID_" id_of[cell[1]], number(cell[3])
		print "text " title "|" cell[1] "|" cell[4]
	} else {
		print "const", prefix[title] cell[2], number(cell[1])
		print "text " title "|" cell[2] "|" cell[cells]
	}
	next
}

inside && /^$/ { next }
inside && /^   / { bad("not understood in a table") }
inside { inside = 0 }

END {
	if (failed)
		exit 1
	for (t in prefix)
		if (!rows[t]) {
			print "no table, or an empty one: " t >"/dev/stderr"
			exit 1
		}
	for (t in other)
		if (!rows[t]) {
			print "no table, or an empty one: " t >"/dev/stderr"
			exit 1
		}
}
