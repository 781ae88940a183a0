// Prints what SheetJS reads in a workbook: {sheet: {address: value}}, moments as the numbers that they are in the file.
import { readFileSync } from "node:fs";
import { read } from "xlsx";

const { Sheets } = read(readFileSync(process.argv[2]));
const cells = (sheet) => Object.entries(sheet).filter(([address]) => !address.startsWith("!"));
const values = (sheet) => Object.fromEntries(cells(sheet).map(([address, cell]) => [address, cell.v]));
console.log(JSON.stringify(Object.fromEntries(Object.entries(Sheets).map(([name, sheet]) => [name, values(sheet)]))));
